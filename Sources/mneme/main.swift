import Glibc
import MnemeCLI

// Writing to a pipe whose reader has gone is an error to handle, not a signal to die of.
signal(SIGPIPE, SIG_IGN)
let arguments = CommandLine.unsafeArgv
exit(
  Program.run(
    rawArguments: (1..<max(1, Int(CommandLine.argc))).map { index in
      arguments[index].map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) } ?? []
    }))
