#include "convert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libyuv.h>

#include "convert_rows.h"
#include "error.h"
#include "picture.h"

/* Rows begin at multiples of this: what the encoders' vector code likes best. */
#define ROW_ALIGNMENT 64u

/* No encoder takes as many, and libyuv counts those of a plane in an int. 2^28: 16384 x 16384. */
#define PIXELS_MAX (1u << 28)

struct converter {
  uint8_t *planes;     /* Y, U and V behind one another */
  uint64_t bytes;      /* of planes */
  uint8_t *wide;       /* two rows with four bytes a pixel, for RGB8 */
  uint64_t wide_bytes; /* of wide */
};

int converter_open(converter **made) {
  *made = calloc(1, sizeof **made);
  return *made != NULL ? 0 : error_set(ENOMEM, "cannot make a converter: no memory");
}

void converter_close(converter *converter) {
  if (converter == NULL) return;
  free(converter->planes);
  free(converter->wide);
  free(converter);
}

static uint64_t align_row(uint64_t bytes) { return (bytes + ROW_ALIGNMENT - 1) / ROW_ALIGNMENT * ROW_ALIGNMENT; }

static int grow(uint8_t **buffer, uint64_t *bytes, uint64_t needed_bytes) {
  if (needed_bytes <= *bytes) return 0;
  free(*buffer);
  *bytes = 0;
  *buffer = aligned_alloc(ROW_ALIGNMENT, needed_bytes);
  if (*buffer == NULL) {
    return error_set(ENOMEM, "cannot convert a picture: no memory for %llu bytes", (unsigned long long)needed_bytes);
  }
  *bytes = needed_bytes;
  return 0;
}

/* The picture's sides and planes, which its pixels are then written to. */
static int make_room(converter *converter, const tele_slot_header *header, encoder_picture *picture) {
  uint32_t width = (header->width + 1) / 2 * 2, height = (header->height + 1) / 2 * 2;
  uint64_t luma_stride = align_row(width), chroma_stride = align_row(width / 2);
  uint64_t luma_bytes = luma_stride * height, chroma_bytes = chroma_stride * (height / 2);
  int result = grow(&converter->planes, &converter->bytes, luma_bytes + 2 * chroma_bytes);
  if (result < 0) return result;
  uint8_t *planes = converter->planes;
  *picture = (encoder_picture){.planes = {planes, planes + luma_bytes, planes + luma_bytes + chroma_bytes},
                               .strides = {(int)luma_stride, (int)chroma_stride, (int)chroma_stride},
                               .width = width,
                               .height = height};
  return 0;
}

/* The planes are ours: encoders take them as constants. */
static uint8_t *row_of(const encoder_picture *picture, int plane, uint32_t row) {
  return (uint8_t *)picture->planes[plane] + (uint64_t)row * (uint64_t)picture->strides[plane];
}

static int convert_rgb(converter *converter, const tele_slot_header *header, const uint8_t *pixels,
                       const encoder_picture *picture) {
  bool is_wide = header->format != TELE_FORMAT_RGB8;
  uint64_t wide_stride = align_row((uint64_t)header->width * 4);
  if (!is_wide) {
    int result = grow(&converter->wide, &converter->wide_bytes, 2 * wide_stride);
    if (result < 0) return result;
  }
  for (uint32_t row = 0; row < header->height; row += 2) {
    uint32_t last = row + 1 < header->height ? row + 1 : row;
    const uint8_t *rows[2] = {pixels + (uint64_t)row * header->stride, pixels + (uint64_t)last * header->stride};
    for (int i = 0; i < 2 && !is_wide; i++) {
      uint8_t *wide = converter->wide + (uint64_t)i * wide_stride;
      RAWToARGB(rows[i], (int)header->stride, wide, (int)wide_stride, (int)header->width, 1);
      rows[i] = wide;
    }
    yuv_rows out = {.luma = {row_of(picture, 0, row), row_of(picture, 0, row + 1)},
                    .u = row_of(picture, 1, row / 2),
                    .v = row_of(picture, 2, row / 2)};
    convert_rgb32_rows(rows, header->width, header->format != TELE_FORMAT_RGBA8, &out);
  }
  return 0;
}

static void repeat_last_row(const tele_slot_header *header, const encoder_picture *picture) {
  if (header->height % 2 == 0) return;
  memcpy(row_of(picture, 0, header->height), row_of(picture, 0, header->height - 1), picture->width);
}

static void convert_grey(const tele_slot_header *header, const uint8_t *pixels, const encoder_picture *picture) {
  for (uint32_t row = 0; row < header->height; row++) {
    convert_grey_row(pixels + (uint64_t)row * header->stride, header->width, row_of(picture, 0, row));
  }
  repeat_last_row(header, picture);
  for (int plane = 1; plane <= 2; plane++) {
    SetPlane(row_of(picture, plane, 0), picture->strides[plane], (int)picture->width / 2, (int)picture->height / 2,
             128);
  }
}

static void copy_luma(const tele_slot_header *header, const uint8_t *pixels, const encoder_picture *picture) {
  CopyPlane(pixels, (int)header->stride, row_of(picture, 0, 0), picture->strides[0], (int)header->width,
            (int)header->height);
  for (uint32_t row = 0; row < header->height && header->width % 2 != 0; row++) {
    uint8_t *luma = row_of(picture, 0, row);
    luma[header->width] = luma[header->width - 1];
  }
  repeat_last_row(header, picture);
}

/* Chroma of an odd size is rounded up in the ring too. */
static void convert_yuv(const tele_slot_header *header, const uint8_t *pixels, const encoder_picture *picture) {
  int width = (int)picture->width / 2, height = (int)picture->height / 2;
  const uint8_t *chroma = pixels + (uint64_t)header->stride * header->height;
  copy_luma(header, pixels, picture);
  if (header->format == TELE_FORMAT_NV12) {
    SplitUVPlane(chroma, (int)header->stride, row_of(picture, 1, 0), picture->strides[1], row_of(picture, 2, 0),
                 picture->strides[2], width, height);
    return;
  }
  uint32_t stride = (header->stride + 1) / 2;
  for (int plane = 1; plane <= 2; plane++, chroma += (uint64_t)stride * (uint32_t)height) {
    CopyPlane(chroma, (int)stride, row_of(picture, plane, 0), picture->strides[plane], width, height);
  }
}

int converter_run(converter *converter, const tele_slot_header *header, const void *pixels, encoder_picture *picture) {
  if (!format_is_raw(header->format)) {
    return error_set(ENOTSUP, "cannot convert a frame of format %u to I420", header->format);
  }
  if (!picture_fits(header)) {
    return error_set(EINVAL, "cannot convert a frame to I420: %u x %u with stride %u does not fit its %u bytes",
                     header->width, header->height, header->stride, header->bytes);
  }
  if ((uint64_t)header->width * header->height > PIXELS_MAX) {
    return error_set(EINVAL, "cannot convert a frame to I420: %u x %u are more than %u pixels", header->width,
                     header->height, PIXELS_MAX);
  }
  int result = make_room(converter, header, picture);
  if (result < 0) return result;
  switch (header->format) {
    case TELE_FORMAT_GRAY8: convert_grey(header, pixels, picture); return 0;
    case TELE_FORMAT_NV12:
    case TELE_FORMAT_I420: convert_yuv(header, pixels, picture); return 0;
    default: return convert_rgb(converter, header, pixels, picture);
  }
}
