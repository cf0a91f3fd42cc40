/* One picture to JPEG by libjpeg-turbo, into memory of the caller: for snapshots and for the JPEG lane. */
#ifndef TELE_JPEG_COMPRESSOR_H
#define TELE_JPEG_COMPRESSOR_H

#include <stdint.h>

typedef enum jpeg_pixels { JPEG_PIXELS_RGB, JPEG_PIXELS_RGBX, JPEG_PIXELS_BGRX, JPEG_PIXELS_GREY } jpeg_pixels;

typedef struct jpeg_source {
  const uint8_t *bytes;
  uint32_t width, height;
  uint32_t stride; /* bytes */
  jpeg_pixels pixels;
} jpeg_source;

/* Quality 1 to 100. 0; -ENOBUFS: *jpeg_bytes tells the need; -EINVAL with libjpeg's own reason. */
int jpeg_compress(const jpeg_source *source, uint32_t quality, void *jpeg, uint64_t jpeg_bytes_max,
                  uint64_t *jpeg_bytes);

/* -ENOBUFS with its text. */
int jpeg_refuse_room(uint64_t needed_bytes, uint64_t jpeg_bytes_max);

#endif
