/* Floats as a cache stores them: 32 bits, little-endian, at any address. */

#ifndef CVECTOR_BYTES_H
#define CVECTOR_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The bits of one float. */
static inline uint32_t float_bits(const void *bytes, size_t index) {
    uint32_t bits;
    memcpy(&bits, (const char *)bytes + index * sizeof bits, sizeof bits);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bits = __builtin_bswap32(bits);
#endif
    return bits;
}

#endif
