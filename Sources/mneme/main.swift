import Glibc
import MnemeCLI

// Writing to a pipe whose reader has gone is an error to handle, not a signal to die of.
signal(SIGPIPE, SIG_IGN)
let arguments = CommandLine.unsafeArgv
let count = Int(CommandLine.argc)
let words = (1..<max(1, count)).map { index in
  arguments[index].map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) } ?? []
}
erasePasswords(in: arguments, count: count)
exit(Program.run(rawArguments: words))
