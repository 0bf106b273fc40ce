#define _GNU_SOURCE
#include "CProcess.h"

#include <fcntl.h>
#include <sys/prctl.h>

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

void process_write_back(int descriptor, int64_t offset, int64_t count) {
    sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}
