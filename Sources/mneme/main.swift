import Glibc
import MnemeCLI

// Writing to a pipe whose reader has gone, or past a limit on the size of files, is an error to handle, not a signal
// to die of.
signal(SIGPIPE, SIG_IGN)
signal(SIGXFSZ, SIG_IGN)
// Nothing else here: a variable or a closure would belong to the main actor, and with that the runtime of Swift's
// concurrency and libdispatch would be linked, and started with each command.
exit(Program.run())
