#define _GNU_SOURCE
#include "CProcess.h"

#include <fcntl.h>
#include <sys/prctl.h>

int process_close_memory(void) {
    return prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
}

void process_write_back(int descriptor, int64_t offset, int64_t count) {
    sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}
