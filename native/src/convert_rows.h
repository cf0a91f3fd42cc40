/* The inner loop of convert.c. */
#ifndef TELE_CONVERT_ROWS_H
#define TELE_CONVERT_ROWS_H

#include <stdbool.h>
#include <stdint.h>

/* Two rows of I420, each as long as the width rounded up to even; chroma half as long. */
typedef struct yuv_rows {
  uint8_t *luma[2];
  uint8_t *u, *v;
} yuv_rows;

/* Two rows of four-byte pixels (R, G, B, any; or B, G, R, any) to BT.709 limited range; chroma is that of the mean of
 * its four pixels. Of an odd width the last column counts twice. */
void convert_rgb32_rows(const uint8_t *const rows[2], uint32_t width, bool blue_first, const yuv_rows *out);

/* One row of grey, 0 to 255, to luma of limited range. */
void convert_grey_row(const uint8_t *grey, uint32_t width, uint8_t *luma);

#endif
