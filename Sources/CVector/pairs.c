// Dot products of many rows with many. Unlike a search, which reads every row once, this takes each number that it
// loads for many products, and so instructions that multiply more at a time do pay.

#include "CVector.h"
#include "bytes.h"

#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { PANEL = CVECTOR_PANEL, QUERIES = 8 };

// Products of a number of a panel and one of a query are at most 255 * 127; so many of them fit into 32 bits.
enum { SPAN = 65536 };

void cvector_pack(const int8_t *rows, size_t count, size_t width, uint8_t *panels) {
    for (size_t first = 0; first < count; first += PANEL, panels += PANEL * width)
        for (size_t row = 0; row < PANEL; row++) {
            const int8_t *numbers = rows + (first + row) * width;
            for (size_t i = 0; i < width; i += 4) {
                uint32_t four = 0;
                if (first + row < count) memcpy(&four, numbers + i, sizeof four);
                four ^= 0x80808080;
                memcpy(panels + i * PANEL + row * 4, &four, sizeof four);
            }
        }
}

void cvector_lengths(const int8_t *rows, size_t count, size_t width, float *lengths) {
    for (size_t row = 0; row < count; row++, rows += width) {
        float squares = 0;
        for (size_t start = 0; start < width; start += SPAN) {
            int32_t part = 0;
            size_t end = width - start < SPAN ? width : start + SPAN;
            for (size_t i = start; i < end; i++) part += rows[i] * rows[i];
            squares += (float)part;
        }
        lengths[row] = __builtin_sqrtf(squares);
    }
}

double cvector_dot_f32(const void *bytes, const float *numbers, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = float_bits(bytes, i);
        float number;
        memcpy(&number, &bits, sizeof bits);
        sum += (double)number * (double)numbers[i];
    }
    return sum;
}

// Each kernel multiplies some queries, `stride` apart, with `width` numbers of one panel, and writes the sums of each
// query behind one another.
typedef void kernel(const int8_t *queries, size_t stride, const uint8_t *panel, size_t width, int32_t *sums);

static void multiply_plain(const int8_t *queries, size_t stride, const uint8_t *panel, size_t width, int32_t *sums) {
    memset(sums, 0, QUERIES * PANEL * sizeof *sums);
    for (size_t i = 0; i < width; i += 4, panel += 4 * PANEL)
        for (size_t query = 0; query < QUERIES; query++) {
            const int8_t *q = queries + query * stride + i;
            int32_t *s = sums + query * PANEL;
            for (size_t row = 0; row < PANEL; row++) {
                const uint8_t *r = panel + 4 * row;
                s[row] += r[0] * q[0] + r[1] * q[1] + r[2] * q[2] + r[3] * q[3];
            }
        }
}

#ifdef __x86_64__
// Two queries and sixteen rows at a time: a register holds four numbers of each of four rows, in 16 bits.
__attribute__((target("avx2"))) static void multiply_avx2(const int8_t *queries, size_t stride, const uint8_t *panel,
                                                         size_t width, int32_t *sums) {
    for (size_t query = 0; query < QUERIES; query += 2)
        for (size_t row = 0; row < PANEL; row += 16) {
            __m256i s[2][4];
            for (int k = 0; k < 2; k++)
                for (int part = 0; part < 4; part++) s[k][part] = _mm256_setzero_si256();
            for (size_t i = 0; i < width; i += 4) {
                const __m128i *r = (const __m128i *)(panel + i * PANEL + 4 * row);
                __m256i n[2];
                for (size_t k = 0; k < 2; k++) {
                    int32_t four;
                    memcpy(&four, queries + (query + k) * stride + i, sizeof four);
                    n[k] = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
                }
                for (int part = 0; part < 4; part++) {
                    __m256i numbers = _mm256_cvtepu8_epi16(_mm_loadu_si128(r + part));
                    s[0][part] = _mm256_add_epi32(s[0][part], _mm256_madd_epi16(numbers, n[0]));
                    s[1][part] = _mm256_add_epi32(s[1][part], _mm256_madd_epi16(numbers, n[1]));
                }
            }
            for (size_t k = 0; k < 2; k++)
                for (size_t part = 0; part < 4; part += 2) {
                    // The two halves of each row are next to each other. Their addition leaves rows 0 1 4 5 2 3 6 7.
                    __m256i both = _mm256_hadd_epi32(s[k][part], s[k][part + 1]);
                    _mm256_storeu_si256((__m256i *)(sums + (query + k) * PANEL + row + 4 * part),
                                        _mm256_permute4x64_epi64(both, 0xd8));
                }
        }
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) static void multiply_vnni(
    const int8_t *queries, size_t stride, const uint8_t *panel, size_t width, int32_t *sums) {
    __m512i low[QUERIES], high[QUERIES];
    for (int k = 0; k < QUERIES; k++) low[k] = high[k] = _mm512_setzero_si512();
    for (size_t i = 0; i < width; i += 4) {
        __m512i r0 = _mm512_loadu_si512(panel + i * PANEL), r1 = _mm512_loadu_si512(panel + i * PANEL + 64);
#pragma clang loop unroll(full)
        for (int k = 0; k < QUERIES; k++) {
            int32_t four;
            memcpy(&four, queries + (size_t)k * stride + i, sizeof four);
            __m512i n = _mm512_set1_epi32(four);
            low[k] = _mm512_dpbusd_epi32(low[k], r0, n);
            high[k] = _mm512_dpbusd_epi32(high[k], r1, n);
        }
    }
    for (int k = 0; k < QUERIES; k++) {
        _mm512_storeu_si512(sums + k * PANEL, low[k]);
        _mm512_storeu_si512(sums + k * PANEL + PANEL / 2, high[k]);
    }
}

cvector_instructions cvector_best_instructions(void) {
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return CVECTOR_VNNI;
    return __builtin_cpu_supports("avx2") ? CVECTOR_AVX2 : CVECTOR_PLAIN;
}

static kernel *kernel_for(cvector_instructions instructions) {
    return instructions == CVECTOR_VNNI ? multiply_vnni : instructions == CVECTOR_AVX2 ? multiply_avx2 : multiply_plain;
}
#else
cvector_instructions cvector_best_instructions(void) { return CVECTOR_PLAIN; }

static kernel *kernel_for(cvector_instructions instructions) {
    (void)instructions;
    return multiply_plain;
}
#endif

void cvector_scores_of_pairs(cvector_instructions instructions, const int8_t *queries, size_t query_count,
                             const uint8_t *panels, size_t panel_count, size_t width, float *scores) {
    kernel *multiply = kernel_for(instructions);
    int32_t sums[QUERIES * PANEL];
    for (size_t first = 0; first < query_count; first += QUERIES, queries += QUERIES * width)
        for (size_t start = 0; start < width; start += SPAN) {
            size_t span = width - start < SPAN ? width - start : SPAN;
            // 128 was added to each number of the rows.
            uint32_t added[QUERIES];
            for (size_t k = 0; k < QUERIES; k++) {
                int32_t sum = 0;
                for (size_t i = 0; i < span; i++) sum += queries[k * width + start + i];
                added[k] = 128 * (uint32_t)sum;
            }
            for (size_t panel = 0; panel < panel_count; panel++) {
                multiply(queries + start, width, panels + (panel * width + start) * PANEL, span, sums);
                for (size_t k = 0; k < QUERIES; k++) {
                    float *out = scores + ((first + k) * panel_count + panel) * PANEL;
                    for (size_t row = 0; row < PANEL; row++) {
                        float sum = (float)(int32_t)((uint32_t)sums[k * PANEL + row] - added[k]);
                        out[row] = start == 0 ? sum : out[row] + sum;
                    }
                }
            }
        }
}
