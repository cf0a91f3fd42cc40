/* The luma of a JPEG, made smaller by whole powers of two where that is free: for whoever looks at pictures. */
#ifndef TELE_JPEG_LUMA_H
#define TELE_JPEG_LUMA_H

#include <stddef.h>
#include <stdint.h>

typedef struct jpeg_luma {
  uint8_t *rows; /* width * height bytes, full range; the caller frees them */
  uint32_t width, height;
} jpeg_luma;

/* As small as can be with at least `width_min` columns. 1 with a plane; 0 for what is no JPEG, or too large a one;
 * -ENOMEM. Hostile bytes are no error of the process. */
int jpeg_luma_decode(const uint8_t *bytes, size_t bytes_count, uint32_t width_min, jpeg_luma *luma);

#endif
