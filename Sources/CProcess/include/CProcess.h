#ifndef CPROCESS_H
#define CPROCESS_H

#include <stdint.h>

// System calls with open lists of arguments or with constants that Swift does not see.

/// The number of the words with which this process was started, the program's name among them.
int process_argument_count(void);

/// These words in the memory where the kernel has put them. `ps` shows changes to them.
char *_Nullable *_Nonnull process_arguments(void);

/// Protects this process's memory until it runs another program: no core dump is made of it, with any `core_pattern`,
/// and no other process, even of the same user, may trace it or read its memory and environment. Returns 0, or -1 with
/// `errno`.
int process_close_memory(void);

/// Makes a file without a name in a directory, for its owner alone. Returns -1 with `errno` if the file system does not
/// support that.
int process_open_unnamed(const char *_Nonnull directory);

/// Whether another file may take the place of one: 0, `EBUSY` for a mount point, `EPERM` for a file that is immutable or
/// may only grow.
int process_replacement_error(const char *_Nonnull path);

/// Begins to write a part of a file to the disk, in the calling thread, and does not wait until it is there.
void process_write_back(int descriptor, int64_t offset, int64_t count);

#endif
