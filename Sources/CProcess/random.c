#include <stdint.h>
#include <sys/random.h>

/* GCC's libstdc++ is linked as an archive, and uses arc4random where the system that built it had that. glibc has had it
 * since 2.36. The linker takes this function first, and so the command also runs with glibc 2.35. */
uint32_t arc4random(void) {
    uint32_t number;
    while (getrandom(&number, sizeof number, 0) != sizeof number) {
    }
    return number;
}
