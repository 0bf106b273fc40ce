// Each kernel is written once, in vectors wider than any register, and compiled once for each instruction set:
// the compiler splits the vectors into as many registers as it takes.
//
// AVX-512 was tried and left out: rows come from memory faster than AVX2 can use them up, and on a Zen 4 the
// wider loads were slower. So was taking four rows at a time, which shares the loads of the query but reads four
// streams (OpenBLAS does, and takes three times as long).

#include "CVector.h"
#include "bytes.h"

#include <math.h>
#include <string.h>

enum { LANES = 16 };
typedef float f32_lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef uint64_t u64_lanes __attribute__((vector_size(8 * sizeof(uint64_t)), aligned(8)));
typedef int8_t i8_lanes __attribute__((vector_size(LANES), aligned(1)));

#define KERNEL static inline __attribute__((always_inline))

KERNEL float sum(const f32_lanes *lanes) {
    float parts[LANES];
    memcpy(parts, lanes, sizeof parts);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) parts[i] += parts[i + half];
    return parts[0];
}

// Two sums a row, so that an addition need not wait for the one before it; with four, SSE2 runs out of registers.
KERNEL float scores_i8(const int8_t *rows, size_t count, size_t width, const float *query, float *scores) {
    float best = -INFINITY;
    for (size_t row = 0; row < count; row++, rows += width) {
        f32_lanes a = {0}, b = {0};
        for (size_t i = 0; i < width; i += 2 * LANES) {
            const i8_lanes *r = (const i8_lanes *)(rows + i);
            const f32_lanes *q = (const f32_lanes *)(query + i);
            a += __builtin_convertvector(r[0], f32_lanes) * q[0];
            b += __builtin_convertvector(r[1], f32_lanes) * q[1];
        }
        a += b;
        scores[row] = sum(&a);
        if (scores[row] > best) best = scores[row];
    }
    return best;
}

// Nearly all rows are skipped, so many are skipped at a time.
KERNEL size_t select_rows(float *scores, const float *scales, const float *errors, size_t count, float length,
                          float bar, uint32_t *rows) {
    size_t selected = 0, row = 0;
    for (; row + LANES <= count; row += LANES) {
        f32_lanes *s = (f32_lanes *)(scores + row);
        *s *= *(const f32_lanes *)(scales + row);
        f32_lanes most = *s + *(const f32_lanes *)(errors + row) * length;
        // Negated below, so that a sum that is not a number selects its row.
        if (__builtin_reduce_and(most < bar)) continue;
        for (size_t i = 0; i < LANES; i++)
            if (!(most[i] < bar)) rows[selected++] = (uint32_t)(row + i);
    }
    for (; row < count; row++) {
        scores[row] *= scales[row];
        if (!(scores[row] + errors[row] * length < bar)) rows[selected++] = (uint32_t)row;
    }
    return selected;
}

KERNEL float quantize_row(const float *numbers, size_t width, int8_t *quantized, float *error) {
    f32_lanes largest = {0}, squares = {0};
    for (size_t i = 0; i < width; i += LANES) {
        f32_lanes n = *(const f32_lanes *)(numbers + i);
        largest = __builtin_elementwise_max(largest, __builtin_elementwise_abs(n));
        squares += n * n;
    }
    float most = 0;
    for (int i = 0; i < LANES; i++) most = largest[i] > most ? largest[i] : most;
    // Beyond these the squares below leave the range of float32. (A NaN is not within them either.)
    if (!(most >= 1e-12f && most <= 1e12f)) {
        memset(quantized, 0, width);
        *error = INFINITY;
        return 0;
    }
    const float whole = 12582912.0f, scale = most / 127.0f, steps = 127.0f / most;
    f32_lanes rests = {0};
    for (size_t i = 0; i < width; i += LANES) {
        f32_lanes n = *(const f32_lanes *)(numbers + i);
        f32_lanes rounded = (n * steps + whole) - whole;
        *(i8_lanes *)(quantized + i) = __builtin_convertvector(rounded, i8_lanes);
        f32_lanes rest = n - rounded * scale;
        rests += rest * rest;
    }
    float length = sqrtf(sum(&squares)), rest = sqrtf(sum(&rests));
    // Twice the rounding error of float32: a sum runs through width / (2 * LANES) additions in each lane and six
    // more.
    float rounding = ((float)width / (2 * LANES) + 16.0f) * 0x1p-23f;
    *error = (rest + rounding * (2 * length + 2 * rest)) * 1.001f;
    return scale;
}

KERNEL void checksum_update(cvector_checksum *checksum, const void *bytes, size_t count) {
    u64_lanes a, b;
    memcpy(&a, checksum->sums, sizeof a);
    memcpy(&b, checksum->sums_of_sums, sizeof b);
    for (size_t i = 0; i < count; i += sizeof(u64_lanes)) {
        u64_lanes block;
        memcpy(&block, (const char *)bytes + i, sizeof block);
        a += block;
        b += a;
    }
    memcpy(checksum->sums, &a, sizeof a);
    memcpy(checksum->sums_of_sums, &b, sizeof b);
}

#ifdef __x86_64__
bool cvector_has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

#define AVX2 __attribute__((target("avx2,fma")))
#else
bool cvector_has_avx2(void) { return false; }

#define AVX2
#endif

AVX2 static float scores_i8_avx2(const int8_t *rows, size_t count, size_t width, const float *query,
                                 float *scores) {
    return scores_i8(rows, count, width, query, scores);
}

AVX2 static size_t select_rows_avx2(float *scores, const float *scales, const float *errors, size_t count,
                                    float length, float bar, uint32_t *rows) {
    return select_rows(scores, scales, errors, count, length, bar, rows);
}

AVX2 static float quantize_row_avx2(const float *numbers, size_t width, int8_t *quantized, float *error) {
    return quantize_row(numbers, width, quantized, error);
}

AVX2 static void checksum_update_avx2(cvector_checksum *checksum, const void *bytes, size_t count) {
    checksum_update(checksum, bytes, count);
}

float cvector_scores_i8(bool avx2, const int8_t *rows, size_t count, size_t width, const float *query,
                        float *scores) {
    return avx2 ? scores_i8_avx2(rows, count, width, query, scores)
                : scores_i8(rows, count, width, query, scores);
}

size_t cvector_select(bool avx2, float *scores, const float *scales, const float *errors, size_t count,
                      float length, float bar, uint32_t *rows) {
    return avx2 ? select_rows_avx2(scores, scales, errors, count, length, bar, rows)
                : select_rows(scores, scales, errors, count, length, bar, rows);
}

float cvector_quantize_row(bool avx2, const float *numbers, size_t width, int8_t *quantized, float *error) {
    return avx2 ? quantize_row_avx2(numbers, width, quantized, error)
                : quantize_row(numbers, width, quantized, error);
}

void cvector_checksum_update(bool avx2, cvector_checksum *checksum, const void *bytes, size_t count) {
    if (avx2)
        checksum_update_avx2(checksum, bytes, count);
    else
        checksum_update(checksum, bytes, count);
}

uint64_t cvector_checksum_value(const cvector_checksum *checksum) {
    uint64_t value = 0;
    for (int lane = 0; lane < 8; lane++) {
        value = (value ^ checksum->sums[lane]) * 0x9e3779b97f4a7c15;
        value ^= value >> 29;
        value = (value ^ checksum->sums_of_sums[lane]) * 0x9e3779b97f4a7c15;
        value ^= value >> 32;
    }
    return value;
}

uint32_t cvector_read_f32(const void *bytes, size_t count, float *numbers) {
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = float_bits(bytes, i);
        memcpy(numbers + i, &bits, sizeof bits);
        uint32_t magnitude = bits & 0x7fffffff;
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}
