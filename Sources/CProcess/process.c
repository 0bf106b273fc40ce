#include "CProcess.h"

#include <sys/prctl.h>

int process_close_memory(void) {
    return prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
}
