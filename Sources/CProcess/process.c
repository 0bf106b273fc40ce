#define _GNU_SOURCE
#include "CProcess.h"

#include <fcntl.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static int argument_count;
static char **arguments;

/* glibc passes to a constructor what it passes to `main`. The runtime of Swift looks for the arguments in /proc, and
 * without it below `environ`, which a library that is loaded first may have moved with setenv. */
__attribute__((constructor)) static void take_arguments(int count, char **words) {
    argument_count = count;
    arguments = words;
}

int process_argument_count(void) { return argument_count; }

char **process_arguments(void) { return arguments; }

int process_close_memory(void) {
    return prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
}

int process_open_unnamed(const char *directory) {
    return open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
}

int process_replacement_error(const char *path) {
    struct statx status;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) != 0) return 0;
    if (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) return EBUSY;
    return status.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND) ? EPERM : 0;
}

void process_write_back(int descriptor, int64_t offset, int64_t count) {
    sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}
