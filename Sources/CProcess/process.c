#define _GNU_SOURCE
#include "CProcess.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>

int process_close_memory(void) {
    return prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
}

void process_make_way(void) {
    DIR *threads = opendir("/proc/self/task");
    if (!threads) return;
    const struct sched_param none = {0};
    for (struct dirent *entry; (entry = readdir(threads));) {
        // "." and ".." are 0, which would be the calling thread.
        pid_t thread = atoi(entry->d_name);
        if (thread > 0 && sched_getscheduler(thread) == SCHED_OTHER) sched_setscheduler(thread, SCHED_IDLE, &none);
    }
    closedir(threads);
}

void process_write_back(int descriptor, int64_t offset, int64_t count) {
    sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}
