// Tells ThreadSanitizer about Swift's Mutex.
//
// The fast ways of taking and giving back a `Synchronization.Mutex` are compiled into its users, and the sanitizer sees
// their atomics. The slow ones, for a mutex that two threads want at the same time, are in the library, which is not
// instrumented: there one thread follows the other unseen, and every mutex that is ever waited for looks like a race.
// Loaded before that library, these wrap its two slow ways and tell the sanitizer what they do.
//
// The names and signatures are those of Swift's `stdlib/public/Synchronization/Mutex/LinuxImpl.swift`. If a later
// Swift renames them, nothing breaks, but the false reports come back.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

// From the sanitizer's own interface, `sanitizer/tsan_interface.h`.
extern void __tsan_acquire(void *) __attribute__((weak));
extern void __tsan_release(void *) __attribute__((weak));

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self
#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK_SLOW);
SWIFT void unlock_slow(SELF) __asm__(UNLOCK_SLOW);

SWIFT void lock_slow(uint32_t thread, SELF) {
    SWIFT void (*next)(uint32_t, SELF) = (SWIFT void (*)(uint32_t, SELF))dlsym(RTLD_NEXT, LOCK_SLOW);
    next(thread, self);
    if (__tsan_acquire) __tsan_acquire(self);
}

SWIFT void unlock_slow(SELF) {
    SWIFT void (*next)(SELF) = (SWIFT void (*)(SELF))dlsym(RTLD_NEXT, UNLOCK_SLOW);
    if (__tsan_release) __tsan_release(self);
    next(self);
}
