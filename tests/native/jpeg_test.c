/* Snapshots: what is encoded decodes back, within what JPEG loses, for every format and for odd sizes. */
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "harness.h"
#include "picture.h"

typedef struct colour {
  double r, g, b; /* 0 to 255 */
} colour;

static double clamp_byte(double value) { return value < 0 ? 0 : value > 255 ? 255 : value; }

/* A picture that JPEG keeps well: smooth, and different in each channel. Pixel x covers x to x + 1. */
static colour colour_at(double x, double y, uint32_t width, uint32_t height) {
  double u = x / width, v = y / height;
  return (colour){40 + 170 * u, 60 + 150 * v, 200 - 120 * u * v};
}

/* BT.709, limited range (ITU-R BT.709-6, 3.3 to 3.5). */
static void to_yuv(colour c, double *y, double *u, double *v) {
  double luma = 0.2126 * c.r + 0.7152 * c.g + 0.0722 * c.b;
  *y = 16 + luma * 219 / 255;
  *u = 128 + (c.b - luma) / 1.8556 * 224 / 255;
  *v = 128 + (c.r - luma) / 1.5748 * 224 / 255;
}

static void paint(uint8_t *pixels, uint32_t format, uint32_t stride, uint32_t width, uint32_t height) {
  uint8_t *chroma = pixels + (size_t)stride * height;
  uint32_t half_stride = (stride + 1) / 2, half_height = (height + 1) / 2;
  for (uint32_t row = 0; row < height; row++) {
    for (uint32_t column = 0; column < width; column++) {
      colour c = colour_at(column + 0.5, row + 0.5, width, height);
      uint8_t *at = pixels + (size_t)row * stride;
      double y, u, v, other_y, other_u, other_v;
      /* Chroma is that of the middle of its four pixels. */
      to_yuv(colour_at(column / 2 * 2 + 1, row / 2 * 2 + 1, width, height), &other_y, &u, &v);
      to_yuv(c, &y, &other_u, &other_v);
      switch (format) {
        case TELE_FORMAT_RGB8:
        case TELE_FORMAT_RGBA8:
          at += column * (format == TELE_FORMAT_RGB8 ? 3 : 4);
          at[0] = (uint8_t)c.r, at[1] = (uint8_t)c.g, at[2] = (uint8_t)c.b;
          break;
        case TELE_FORMAT_BGRA8:
          at += column * 4;
          at[0] = (uint8_t)c.b, at[1] = (uint8_t)c.g, at[2] = (uint8_t)c.r;
          break;
        case TELE_FORMAT_GRAY8: at[column] = (uint8_t)c.r; break;
        case TELE_FORMAT_NV12:
          at[column] = (uint8_t)(y + 0.5);
          chroma[row / 2 * stride + column / 2 * 2] = (uint8_t)(u + 0.5);
          chroma[row / 2 * stride + column / 2 * 2 + 1] = (uint8_t)(v + 0.5);
          break;
        case TELE_FORMAT_I420:
          at[column] = (uint8_t)(y + 0.5);
          chroma[row / 2 * half_stride + column / 2] = (uint8_t)(u + 0.5);
          chroma[half_stride * half_height + row / 2 * half_stride + column / 2] = (uint8_t)(v + 0.5);
          break;
      }
    }
  }
}

/* Decodes to RGB, and returns the mean absolute difference from the painted picture over all channels. */
static double difference_of(const uint8_t *jpeg, uint64_t jpeg_bytes, uint32_t format, uint32_t width,
                            uint32_t height) {
  struct jpeg_decompress_struct decoder;
  struct jpeg_error_mgr errors;
  decoder.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&decoder);
  jpeg_mem_src(&decoder, jpeg, (unsigned long)jpeg_bytes);
  CHECK_EQ(jpeg_read_header(&decoder, TRUE), JPEG_HEADER_OK);
  CHECK_EQ(decoder.num_components, format == TELE_FORMAT_GRAY8 ? 1 : 3);
  decoder.out_color_space = JCS_RGB;
  jpeg_start_decompress(&decoder);
  CHECK(decoder.output_width == width && decoder.output_height == height);
  static uint8_t row_bytes[3 * 1024];
  double sum = 0;
  for (uint32_t row = 0; row < height; row++) {
    JSAMPROW pointer = row_bytes;
    CHECK_EQ(jpeg_read_scanlines(&decoder, &pointer, 1), 1);
    for (uint32_t column = 0; column < width; column++) {
      colour c = colour_at(column + 0.5, row + 0.5, width, height);
      if (format == TELE_FORMAT_GRAY8) c.g = c.b = c.r;
      const uint8_t *found = row_bytes + 3 * column;
      double channels[3] = {clamp_byte(c.r) - found[0], clamp_byte(c.g) - found[1], clamp_byte(c.b) - found[2]};
      for (int i = 0; i < 3; i++) sum += channels[i] < 0 ? -channels[i] : channels[i];
    }
  }
  jpeg_finish_decompress(&decoder);
  jpeg_destroy_decompress(&decoder);
  return sum / (3.0 * width * height);
}

typedef struct copied_frame {
  tele_slot_header header;
  uint8_t pixels[300 * 300 * 4];
} copied_frame;

static void every_format_decodes_back(void) {
  static copied_frame frame;
  static uint8_t jpeg[1 << 20];
  const uint32_t sizes[][2] = {{160, 160}, {161, 97}, {33, 34}, {16, 16}};
  for (uint32_t format = TELE_FORMAT_RGB8; format <= TELE_FORMAT_I420; format++) {
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      for (uint32_t padding = 0; padding <= 6; padding += 3) {
        uint32_t width = sizes[i][0], height = sizes[i][1];
        uint32_t stride = picture_stride_min(format, width) + padding;
        memset(frame.pixels, 0xa5, sizeof frame.pixels);
        paint(frame.pixels, format, stride, width, height);
        frame.header = (tele_slot_header){.width = width,
                                          .height = height,
                                          .format = format,
                                          .stride = stride,
                                          .bytes = (uint32_t)picture_bytes(format, stride, height)};
        uint64_t jpeg_bytes;
        CHECK_EQ(tele_jpeg_encode(&frame, sizeof frame.header + frame.header.bytes, 95, jpeg, sizeof jpeg, &jpeg_bytes),
                 0);
        double difference = difference_of(jpeg, jpeg_bytes, format, width, height);
        if (difference > 2.5) {
          fail_test(__FILE__, __LINE__, "format %u, %u x %u, stride %u: differs by %.1f in the mean", format, width,
                    height, stride, difference);
        }
      }
    }
  }
}

static void what_cannot_be_encoded_is_an_error(void) {
  static copied_frame frame;
  uint8_t jpeg[4096];
  uint64_t jpeg_bytes = 0;
  frame.header =
      (tele_slot_header){.width = 64, .height = 64, .format = TELE_FORMAT_RGB8, .stride = 192, .bytes = 12288};
  uint64_t frame_bytes = sizeof frame.header + frame.header.bytes;
  for (size_t i = 0; i < frame.header.bytes; i++) frame.pixels[i] = (uint8_t)(i * i >> 3);
  CHECK_EQ(tele_jpeg_encode(&frame, frame_bytes, 90, jpeg, 100, &jpeg_bytes), -ENOBUFS);
  CHECK(jpeg_bytes > 100);
  CHECK_EQ(tele_jpeg_encode(&frame, frame_bytes, 0, jpeg, sizeof jpeg, &jpeg_bytes), -EINVAL);
  CHECK_EQ(tele_jpeg_encode(&frame, frame_bytes, 101, jpeg, sizeof jpeg, &jpeg_bytes), -EINVAL);
  CHECK_EQ(tele_jpeg_encode(&frame, 100, 90, jpeg, sizeof jpeg, &jpeg_bytes), -EINVAL);
  CHECK_EQ(tele_jpeg_encode(&frame, frame_bytes - 1, 90, jpeg, sizeof jpeg, &jpeg_bytes), -EINVAL);
  frame.header.height = 65;
  CHECK_EQ(tele_jpeg_encode(&frame, frame_bytes, 90, jpeg, sizeof jpeg, &jpeg_bytes), -EINVAL);
  frame.header.height = 64;
  frame.header.format = TELE_FORMAT_H264;
  CHECK_EQ(tele_jpeg_encode(&frame, frame_bytes, 90, jpeg, sizeof jpeg, &jpeg_bytes), -ENOTSUP);
}

/* Published as JPEG with an overlay behind it: the JPEG alone comes out. */
static void a_jpeg_passes_through(void) {
  uint8_t jpeg[1000], overlay[16], buffer[2048], out[1024];
  uint64_t bytes, out_bytes;
  for (size_t i = 0; i < sizeof jpeg; i++) jpeg[i] = (uint8_t)i;
  memset(overlay, 0xee, sizeof overlay);
  tele_producer *producer = open_producer(sizeof jpeg + sizeof overlay, 4);
  tele_reader *reader = open_reader();
  tele_frame frame = {.pixels = jpeg,
                      .bytes = sizeof jpeg,
                      .width = 640,
                      .height = 480,
                      .format = TELE_FORMAT_JPEG,
                      .overlay = overlay,
                      .overlay_width = 4,
                      .overlay_height = 4};
  CHECK_EQ(tele_producer_publish(producer, &frame), 0);
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 1);
  CHECK_EQ(tele_jpeg_encode(buffer, bytes, 90, out, sizeof out, &out_bytes), 0);
  CHECK_EQ(out_bytes, 1024); /* up to the overlay, the gap being zeros */
  CHECK(memcmp(out, jpeg, sizeof jpeg) == 0 && out[1000] == 0 && out[1023] == 0);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static const test tests[] = {
    {"every format decodes back", every_format_decodes_back},
    {"what cannot be encoded is an error", what_cannot_be_encoded_is_an_error},
    {"a JPEG passes through", a_jpeg_passes_through},
};
SUITE(jpeg, tests);
