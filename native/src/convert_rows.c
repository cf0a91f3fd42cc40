/*
 * libyuv converts RGB to YUV by BT.601 or full range only (its rows with another matrix are not public), hence these
 * rows of our own. Fixed point with 15 fractional bits, so that two products fit one multiply-add of 16-bit lanes.
 */
#include "convert_rows.h"

#include <string.h>

/* ITU-R BT.709-6, 3.2 to 3.5, times 2^15: 0.2126, 0.7152 and 0.0722 of R, G and B times 219/255; chroma's sum to 0, so
 * that grey stays grey. */
enum { Y_RED = 5983, Y_GREEN = 20127, Y_BLUE = 2032 };
enum { U_RED = -3298, U_GREEN = -11094, U_BLUE = 14392 };
enum { V_RED = 14392, V_GREEN = -13072, V_BLUE = -1320 };
/* Black or no colour, and a half for rounding; chroma sums four pixels. */
enum { LUMA_SHIFT = 15, LUMA_BIAS = (16 << LUMA_SHIFT) + (1 << (LUMA_SHIFT - 1)) };
enum { CHROMA_SHIFT = 17, CHROMA_BIAS = (128 << CHROMA_SHIFT) + (1 << (CHROMA_SHIFT - 1)) };

static uint8_t luma_of(const uint8_t *pixel, int red_at) {
  int sum = Y_RED * pixel[red_at] + Y_GREEN * pixel[1] + Y_BLUE * pixel[2 - red_at];
  return (uint8_t)((sum + LUMA_BIAS) >> LUMA_SHIFT);
}

/* From `column`, which is even, to the end of the rows. */
static void convert_scalar(const uint8_t *const rows[2], uint32_t column, uint32_t width, int red_at,
                           const yuv_rows *out) {
  for (; column < width; column += 2) {
    uint32_t other = column + 1 < width ? column + 1 : column;
    int sums[3] = {0, 0, 0};
    for (int row = 0; row < 2; row++) {
      /* Copied first: the row may change under us, and luma and chroma should at least be of the same pixel. */
      uint8_t pixels[2][4];
      memcpy(pixels[0], rows[row] + 4 * (uint64_t)column, 4);
      memcpy(pixels[1], rows[row] + 4 * (uint64_t)other, 4);
      out->luma[row][column] = luma_of(pixels[0], red_at);
      out->luma[row][column + 1] = luma_of(pixels[1], red_at);
      for (int i = 0; i < 3; i++) sums[i] += pixels[0][i] + pixels[1][i];
    }
    int red = sums[red_at], green = sums[1], blue = sums[2 - red_at];
    out->u[column / 2] = (uint8_t)((U_RED * red + U_GREEN * green + U_BLUE * blue + CHROMA_BIAS) >> CHROMA_SHIFT);
    out->v[column / 2] = (uint8_t)((V_RED * red + V_GREEN * green + V_BLUE * blue + CHROMA_BIAS) >> CHROMA_SHIFT);
  }
}

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2")))

/* Factors of bytes 0 and 2 of every pixel in one register, of byte 1 (and none of byte 3) in the other. */
typedef struct factors {
  __m256i outer, inner;
} factors;

AVX2_INLINE factors make_factors(int red, int green, int blue, int red_at) {
  int first = red_at == 0 ? red : blue, third = red_at == 0 ? blue : red;
  return (factors){_mm256_set1_epi32((int)((uint32_t)third << 16 | ((uint32_t)first & 0xffff))),
                   _mm256_set1_epi32(green & 0xffff)};
}

/* The products' sums of eight pixels whose channels are spread over 16-bit lanes. */
AVX2_INLINE __m256i weigh(__m256i outer, __m256i inner, const factors *factors) {
  return _mm256_add_epi32(_mm256_madd_epi16(outer, factors->outer), _mm256_madd_epi16(inner, factors->inner));
}

/* Four times eight sums to 32 bytes. The packs work within 128-bit halves, hence the order at the end. */
AVX2_INLINE __m256i narrow(const __m256i sums[4], __m256i bias, int shift) {
  __m256i parts[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) parts[i] = _mm256_srai_epi32(_mm256_add_epi32(sums[i], bias), shift);
  __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(parts[0], parts[1]), _mm256_packs_epi32(parts[2], parts[3]));
  return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* 32 columns at a time; returns how many columns were done. */
AVX2 static uint32_t convert_avx2(const uint8_t *const rows[2], uint32_t width, int red_at, const yuv_rows *out) {
  const __m256i outer_mask = _mm256_set1_epi32(0x00ff00ff);
  const __m256i luma_bias = _mm256_set1_epi32(LUMA_BIAS), chroma_bias = _mm256_set1_epi32(CHROMA_BIAS);
  const factors y = make_factors(Y_RED, Y_GREEN, Y_BLUE, red_at);
  const factors u = make_factors(U_RED, U_GREEN, U_BLUE, red_at);
  const factors v = make_factors(V_RED, V_GREEN, V_BLUE, red_at);
  uint32_t column = 0;
  for (; column + 32 <= width; column += 32) {
    __m256i luma[2][4], chroma_u[4], chroma_v[4];
#pragma GCC unroll 4 /* or the arrays go through memory: -O2 does not unroll */
    for (int i = 0; i < 4; i++) {
      __m256i outer[2], inner[2];
#pragma GCC unroll 2
      for (int row = 0; row < 2; row++) {
        __m256i pixels = _mm256_loadu_si256((const __m256i *)(rows[row] + 4 * (uint64_t)column + 32 * (uint64_t)i));
        outer[row] = _mm256_and_si256(pixels, outer_mask);
        inner[row] = _mm256_srli_epi16(pixels, 8);
        luma[row][i] = weigh(outer[row], inner[row], &y);
      }
      __m256i outers = _mm256_add_epi16(outer[0], outer[1]), inners = _mm256_add_epi16(inner[0], inner[1]);
      chroma_u[i] = weigh(outers, inners, &u);
      chroma_v[i] = weigh(outers, inners, &v);
    }
#pragma GCC unroll 2
    for (int row = 0; row < 2; row++) {
      _mm256_storeu_si256((__m256i *)(out->luma[row] + column), narrow(luma[row], luma_bias, LUMA_SHIFT));
    }
    /* hadd works within halves too: 0xd8 swaps the middle quarters back into order. U and V are packed together. */
    __m256i sums[4] = {_mm256_hadd_epi32(chroma_u[0], chroma_u[1]), _mm256_hadd_epi32(chroma_u[2], chroma_u[3]),
                       _mm256_hadd_epi32(chroma_v[0], chroma_v[1]), _mm256_hadd_epi32(chroma_v[2], chroma_v[3])};
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) sums[i] = _mm256_permute4x64_epi64(sums[i], 0xd8);
    __m256i both = narrow(sums, chroma_bias, CHROMA_SHIFT);
    _mm_storeu_si128((__m128i *)(out->u + column / 2), _mm256_castsi256_si128(both));
    _mm_storeu_si128((__m128i *)(out->v + column / 2), _mm256_extracti128_si256(both, 1));
  }
  return column;
}

static uint32_t convert_vectors(const uint8_t *const rows[2], uint32_t width, int red_at, const yuv_rows *out) {
  return __builtin_cpu_supports("avx2") ? convert_avx2(rows, width, red_at, out) : 0;
}
#else
static uint32_t convert_vectors(const uint8_t *const rows[2], uint32_t width, int red_at, const yuv_rows *out) {
  (void)rows, (void)width, (void)red_at, (void)out;
  return 0;
}
#endif

void convert_rgb32_rows(const uint8_t *const rows[2], uint32_t width, bool blue_first, const yuv_rows *out) {
  int red_at = blue_first ? 2 : 0;
  convert_scalar(rows, convert_vectors(rows, width, red_at, out), width, red_at, out);
}

static inline uint8_t luma_of_grey(uint8_t grey) {
  return (uint8_t)((uint16_t)(grey * 220 + (16 << 8) + 128) >> 8); /* 220/256 is near enough to 219/255 */
}

/* -O2 makes vectors of loops with a constant length only. */
#define GREY_BLOCK 64u
static void convert_grey_block(const uint8_t *restrict grey, uint8_t *restrict luma) {
  for (uint32_t i = 0; i < GREY_BLOCK; i++) luma[i] = luma_of_grey(grey[i]);
}

void convert_grey_row(const uint8_t *grey, uint32_t width, uint8_t *luma) {
  uint32_t column = 0;
  for (; column + GREY_BLOCK <= width; column += GREY_BLOCK) convert_grey_block(grey + column, luma + column);
  for (; column < width; column++) luma[column] = luma_of_grey(grey[column]);
  if (width % 2 != 0) luma[width] = luma[width - 1];
}
