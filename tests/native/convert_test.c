/* Raw frames to I420: every format against the formula, at odd sizes, with nothing behind the pixels to read. */
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "convert.h"
#include "harness.h"
#include "picture.h"

/* Pixels that end where memory ends. */
static uint8_t *make_pixels(uint64_t bytes) {
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), pages = (bytes + page - 1) / page;
  uint8_t *base = mmap(NULL, (pages + 1) * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(base != MAP_FAILED);
  CHECK(mprotect(base + pages * page, page, PROT_NONE) == 0);
  return base + pages * page - bytes;
}

static void free_pixels(uint8_t *pixels, uint64_t bytes) {
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), pages = (bytes + page - 1) / page;
  munmap(pixels + bytes - pages * page, (pages + 1) * page);
}

/* R, G and B of a pixel, its place clamped to the picture. */
static void rgb_at(const tele_slot_header *header, const uint8_t *pixels, uint32_t x, uint32_t y, double rgb[3]) {
  uint32_t pixel_bytes = header->format == TELE_FORMAT_RGB8 ? 3 : header->format == TELE_FORMAT_GRAY8 ? 1 : 4;
  if (x >= header->width) x = header->width - 1;
  if (y >= header->height) y = header->height - 1;
  const uint8_t *at = pixels + (uint64_t)y * header->stride + (uint64_t)x * pixel_bytes;
  for (int i = 0; i < 3; i++) {
    int channel = header->format == TELE_FORMAT_BGRA8 ? 2 - i : header->format == TELE_FORMAT_GRAY8 ? 0 : i;
    rgb[i] = at[channel];
  }
}

/* BT.709, limited range (ITU-R BT.709-6, 3.3 to 3.5). */
static void to_yuv(const double rgb[3], double yuv[3]) {
  double luma = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
  yuv[0] = 16 + luma * 219 / 255;
  yuv[1] = 128 + (rgb[2] - luma) / 1.8556 * 224 / 255;
  yuv[2] = 128 + (rgb[0] - luma) / 1.5748 * 224 / 255;
}

/* Of RGB and grey: chroma is that of the mean of four pixels. */
static double expected_rgb(const tele_slot_header *header, const uint8_t *pixels, int plane, uint32_t x, uint32_t y) {
  double rgb[3], sum[3] = {0, 0, 0}, yuv[3];
  if (plane == 0) {
    rgb_at(header, pixels, x, y, sum);
  } else {
    for (uint32_t i = 0; i < 4; i++) {
      rgb_at(header, pixels, 2 * x + i % 2, 2 * y + i / 2, rgb);
      for (int channel = 0; channel < 3; channel++) sum[channel] += rgb[channel] / 4;
    }
  }
  to_yuv(sum, yuv);
  return yuv[plane];
}

static double expected_yuv(const tele_slot_header *header, const uint8_t *pixels, int plane, uint32_t x, uint32_t y) {
  const uint8_t *chroma = pixels + (uint64_t)header->stride * header->height;
  uint64_t half_stride = (header->stride + 1) / 2, half_height = (header->height + 1) / 2;
  if (plane == 0) {
    if (x >= header->width) x = header->width - 1;
    if (y >= header->height) y = header->height - 1;
    return pixels[(uint64_t)y * header->stride + x];
  }
  if (header->format == TELE_FORMAT_NV12) return chroma[(uint64_t)y * header->stride + 2 * x + (uint32_t)plane - 1];
  return chroma[(plane == 2 ? half_stride * half_height : 0) + y * half_stride + x];
}

static void compare(const tele_slot_header *header, const uint8_t *pixels, const encoder_picture *picture) {
  CHECK_EQ(picture->width, (header->width + 1) / 2 * 2);
  CHECK_EQ(picture->height, (header->height + 1) / 2 * 2);
  bool is_yuv = header->format == TELE_FORMAT_NV12 || header->format == TELE_FORMAT_I420;
  for (int plane = 0; plane < 3; plane++) {
    for (uint32_t y = 0; y < picture->height / (plane == 0 ? 1 : 2); y++) {
      for (uint32_t x = 0; x < picture->width / (plane == 0 ? 1 : 2); x++) {
        double expected = (is_yuv ? expected_yuv : expected_rgb)(header, pixels, plane, x, y);
        int found = picture->planes[plane][(uint64_t)y * (uint64_t)picture->strides[plane] + x];
        if (fabs(found - expected) <= (is_yuv ? 0 : 1)) continue;
        fail_test(__FILE__, __LINE__, "format %u, %u x %u, stride %u: plane %d at %u, %u is %d, expected %.2f",
                  header->format, header->width, header->height, header->stride, plane, x, y, found, expected);
      }
    }
  }
}

static void every_format_is_converted(void) {
  static const uint32_t sizes[][2] = {{1, 1}, {2, 2}, {64, 4}, {161, 97}, {33, 34}, {98, 3}};
  uint64_t seed = 7;
  converter *converter;
  CHECK_EQ(converter_open(&converter), 0);
  for (uint32_t format = TELE_FORMAT_RGB8; format <= TELE_FORMAT_I420; format++) {
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      for (uint32_t padding = 0; padding <= 10; padding += 5) {
        tele_slot_header header = {.width = sizes[i][0], .height = sizes[i][1], .format = format};
        header.stride = picture_stride_min(format, header.width) + padding;
        header.bytes = (uint32_t)picture_bytes(format, header.stride, header.height);
        uint8_t *pixels = make_pixels(header.bytes);
        for (uint32_t k = 0; k < header.bytes; k++) pixels[k] = (uint8_t)(random_next(&seed) >> 56);
        encoder_picture picture;
        CHECK_EQ(converter_run(converter, &header, pixels, &picture), 0);
        compare(&header, pixels, &picture);
        free_pixels(pixels, header.bytes);
      }
    }
  }
  converter_close(converter);
}

/* Corners of the cube, where rounding shows most: every one over a whole picture, in the vectors and in the rest. */
static void pure_colours_are_exact(void) {
  converter *converter;
  CHECK_EQ(converter_open(&converter), 0);
  for (uint32_t corner = 0; corner < 8; corner++) {
    for (uint32_t format = TELE_FORMAT_RGB8; format <= TELE_FORMAT_BGRA8; format++) {
      tele_slot_header header = {.width = 35, .height = 2, .format = format};
      header.stride = picture_stride_min(format, header.width);
      header.bytes = header.stride * header.height;
      uint8_t *pixels = make_pixels(header.bytes);
      uint32_t pixel_bytes = format == TELE_FORMAT_RGB8 ? 3 : 4;
      for (uint32_t k = 0; k < header.bytes; k++) pixels[k] = (corner >> k % pixel_bytes & 1) != 0 ? 255 : 0;
      encoder_picture picture;
      CHECK_EQ(converter_run(converter, &header, pixels, &picture), 0);
      compare(&header, pixels, &picture);
      for (int plane = 0; plane < 3; plane++) {
        double exact = expected_rgb(&header, pixels, plane, 0, 0);
        CHECK_EQ(picture.planes[plane][0], (int)(exact + 0.5));
        CHECK_EQ(picture.planes[plane][plane == 0 ? 34 : 17], (int)(exact + 0.5));
      }
      free_pixels(pixels, header.bytes);
    }
  }
  converter_close(converter);
}

static void what_contradicts_itself_is_refused(void) {
  uint8_t pixels[64 * 3 * 4];
  memset(pixels, 0, sizeof pixels);
  tele_slot_header header = {
      .width = 64, .height = 4, .format = TELE_FORMAT_RGB8, .stride = 64 * 3, .bytes = sizeof pixels};
  encoder_picture picture;
  converter *converter;
  CHECK_EQ(converter_open(&converter), 0);
  CHECK_EQ(converter_run(converter, &header, pixels, &picture), 0);
  tele_slot_header wrong[] = {header, header, header, header, header, header};
  wrong[0].height = 5;
  wrong[1].stride = 64 * 3 - 1;
  wrong[2].width = 0;
  wrong[3].height = 0;
  wrong[4].width = UINT32_MAX;
  wrong[5].format = TELE_FORMAT_RGBA8;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    CHECK_EQ(converter_run(converter, &wrong[i], pixels, &picture), -EINVAL);
    CHECK_MESSAGE("does not fit its 768 bytes");
  }
  header.format = TELE_FORMAT_H264;
  CHECK_EQ(converter_run(converter, &header, pixels, &picture), -ENOTSUP);
  header.format = TELE_FORMAT_JPEG;
  CHECK_EQ(converter_run(converter, &header, pixels, &picture), -ENOTSUP);
  converter_close(converter);
  converter_close(NULL);
}

/* A segment with holes may announce what no machine has memory for; not a byte of it is looked at. */
static void what_is_too_large_is_refused(void) {
  tele_slot_header header = {
      .width = 50048, .height = 50048, .format = TELE_FORMAT_I420, .stride = 50048, .bytes = 50048u * 50048u / 2 * 3};
  encoder_picture picture;
  converter *converter;
  CHECK_EQ(converter_open(&converter), 0);
  CHECK_EQ(converter_run(converter, &header, NULL, &picture), -EINVAL);
  CHECK_MESSAGE("50048 x 50048 are more than");
  converter_close(converter);
}

static const test tests[] = {
    {"every format is converted", every_format_is_converted},
    {"pure colours are exact", pure_colours_are_exact},
    {"what contradicts itself is refused", what_contradicts_itself_is_refused},
    {"what is too large is refused", what_is_too_large_is_refused},
};
SUITE(convert, tests);
