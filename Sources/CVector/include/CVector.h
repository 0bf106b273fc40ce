// Dot products of one query with many rows, on the widest vectors that pay.
//
// C, because Swift has no way to compile one function for several instruction sets and choose among them at run
// time. Rows and queries are padded with zeros to whole blocks, so that no function has a remainder to handle.
#ifndef CVECTOR_H
#define CVECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Rows and queries are whole numbers of so many numbers.
enum { CVECTOR_BLOCK = 64 };

// Whether this processor and its operating system have AVX2 and FMA. If not, the functions below use the
// instructions that every processor of the architecture has (SSE2, NEON).
bool cvector_has_avx2(void);

// scores[i] = the dot product of `query` with row i of `count` rows of int8, which follow one another without gaps.
// `width` is the length of a row and of the query, a multiple of CVECTOR_BLOCK; `avx2` only where there is AVX2.
// Returns the largest score, -infinity for no rows. The sum runs in float32, in an order that differs between
// the instruction sets, and so may its last bits.
float cvector_scores_i8(bool avx2, const int8_t *rows, size_t count, size_t width, const float *query,
                        float *scores);

// Multiplies scores[i] with scales[i], and writes the numbers of the rows whose product plus errors[i] * length is
// not below `bar` to `rows`, which has room for `count`. Returns how many these are.
size_t cvector_select(bool avx2, float *scores, const float *scales, const float *errors, size_t count,
                      float length, float bar, uint32_t *rows);

// Reads `count` little-endian float32 from unaligned `bytes` into `numbers`. Returns the bit pattern of the
// largest magnitude: 0 when all are zero, 0x7f800000 and above when one is infinite or no number.
uint32_t cvector_read_f32(const void *bytes, size_t count, float *numbers);

// Quantizes a row of finite numbers with a scale of its own: numbers[i] is about quantized[i] * scale, where the
// largest magnitude becomes 127. Returns the scale.
//
// `error` becomes a bound: for every query of length 1 the dot product with `numbers` and the score of `quantized`
// that `cvector_scores_i8` gives, times the scale, differ by no more, whatever instruction set was used, and
// whether the dot product is taken in float32 or in double precision. By Cauchy and Schwarz that is the length of
// what rounding took away, and a little for the rounding of the sums. A row whose largest magnitude is not within
// 1e-12...1e12 gets zeros, the scale 0 and the bound infinity.
float cvector_quantize_row(bool avx2, const float *numbers, size_t width, int8_t *quantized, float *error);

// Products of every row with every query, for comparing rows with one another. Rows are packed in panels: of each four
// numbers those of the first row, then those of the second, and so on, each number plus 128.
enum { CVECTOR_PANEL = 32 };

// Packs `count` rows, which follow one another without gaps, into as many panels as it takes. What is missing in the
// last one is filled with rows of zeros.
void cvector_pack(const int8_t *rows, size_t count, size_t width, uint8_t *panels);

// The instructions of this processor for products of bytes.
typedef enum { CVECTOR_PLAIN, CVECTOR_AVX2, CVECTOR_VNNI } cvector_instructions;

cvector_instructions cvector_best_instructions(void);

// scores[q * panel_count * CVECTOR_PANEL + r] = the dot product of query q and row r. It is rounded to float32, once for
// widths up to 65,536, with whatever instructions. `query_count` is a multiple of 8.
void cvector_scores_of_pairs(cvector_instructions instructions, const int8_t *queries, size_t query_count,
                             const uint8_t *panels, size_t panel_count, size_t width, float *scores);

// The length of each row, as whole numbers of int8.
void cvector_lengths(const int8_t *rows, size_t count, size_t width, float *lengths);

// The dot product of little-endian float32 at any address with numbers, in double precision, from the first to the last.
double cvector_dot_f32(const void *bytes, const float *numbers, size_t count);

// A checksum against accidents, as fast as memory: Fletcher's, of 64-bit words in eight lanes. A single word that
// changes always shows, and so do two that change places within a lane. Begin with zeros; `count` is a multiple of
// 64; the parts that the bytes come in do not matter.
typedef struct {
    uint64_t sums[8], sums_of_sums[8];
} cvector_checksum;

void cvector_checksum_update(bool avx2, cvector_checksum *checksum, const void *bytes, size_t count);
uint64_t cvector_checksum_value(const cvector_checksum *checksum);

#endif
