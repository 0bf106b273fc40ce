#ifndef CPROCESS_H
#define CPROCESS_H

// A system call whose list of arguments is open, so that Swift cannot make it.

/// Keeps this process's memory to itself, until it runs another program: no core dump is made of it, whatever
/// `core_pattern` says, and no other process, of the same user either, may trace it or read its memory and environment.
/// Returns 0, or -1 with `errno`.
int process_close_memory(void);

#endif
