/* Snapshots: one frame to JPEG by libjpeg-turbo; YUV goes through libyuv, since JPEG's own YUV is full-range BT.601
 * and the ring's is limited-range BT.709. */
#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <libyuv.h>

#include "error.h"
#include "picture.h"
#include "telebridge.h"

typedef struct picture {
  const uint8_t *pixels;
  int width, height;
  int stride; /* bytes */
  int components;
  J_COLOR_SPACE colour_space;
} picture;

/* The ring's YUV planes into BGRA rows without padding. */
static int convert_yuv(const tele_slot_header *header, const uint8_t *luma, uint8_t *bgra) {
  int width = (int)header->width, height = (int)header->height, stride = (int)header->stride;
  const uint8_t *chroma = luma + (size_t)header->stride * header->height;
  if (header->format == TELE_FORMAT_NV12) {
    return NV12ToARGBMatrix(luma, stride, chroma, stride, bgra, width * 4, &kYuvH709Constants, width, height);
  }
  int chroma_stride = (stride + 1) / 2;
  const uint8_t *v = chroma + (size_t)chroma_stride * (((size_t)header->height + 1) / 2);
  return H420ToARGB(luma, stride, chroma, chroma_stride, v, chroma_stride, bgra, width * 4, width, height);
}

static int refuse_room(uint64_t needed_bytes, uint64_t jpeg_bytes_max) {
  return error_set(ENOBUFS, "cannot encode a frame as JPEG: it needs %llu bytes, the buffer has %llu",
                   (unsigned long long)needed_bytes, (unsigned long long)jpeg_bytes_max);
}

static int copy_out(const uint8_t *found, uint64_t found_bytes, void *jpeg, uint64_t jpeg_bytes_max,
                    uint64_t *jpeg_bytes) {
  *jpeg_bytes = found_bytes;
  if (found_bytes > jpeg_bytes_max) return refuse_room(found_bytes, jpeg_bytes_max);
  memcpy(jpeg, found, found_bytes);
  return 0;
}

/* What does not fit the caller's buffer goes here, one piece over the other, and is only counted. */
#define OVERFLOW_BYTES 4096

typedef struct compressor {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  jmp_buf on_error;
  struct jpeg_destination_mgr destination;
  uint64_t bytes;       /* written so far, without the piece that is being filled */
  uint64_t piece_bytes; /* size of that piece */
  uint8_t overflow[OVERFLOW_BYTES];
} compressor;

/* libjpeg's own error manager prints to stderr and brings the texts of all messages; the encoder can only run out of
 * memory here, so that a number will do. */
static void leave(j_common_ptr jpeg) { longjmp(((compressor *)jpeg->client_data)->on_error, 1); }
static void ignore(j_common_ptr jpeg) { (void)jpeg; }
static void ignore_level(j_common_ptr jpeg, int level) { (void)jpeg, (void)level; }

/* libjpeg's own destination in memory grows, and leaves a freed pointer behind when there is no memory for that. Ours
 * is the caller's buffer. */
static void fill(compressor *compressor, uint8_t *piece, uint64_t piece_bytes) {
  compressor->destination.next_output_byte = piece;
  compressor->destination.free_in_buffer = compressor->piece_bytes = piece_bytes;
}
static void start_output(j_compress_ptr jpeg) { (void)jpeg; }
static boolean next_piece(j_compress_ptr jpeg) {
  compressor *compressor = jpeg->client_data;
  compressor->bytes += compressor->piece_bytes;
  fill(compressor, compressor->overflow, OVERFLOW_BYTES);
  return TRUE;
}
static void end_output(j_compress_ptr jpeg) {
  compressor *compressor = jpeg->client_data;
  compressor->bytes += compressor->piece_bytes - compressor->destination.free_in_buffer;
}

/* Encodes into out; compressor->bytes tells the need. False on failure. */
static bool run_compressor(compressor *compressor, const picture *picture, uint32_t quality, uint8_t *out,
                           uint64_t out_bytes_max) {
  struct jpeg_compress_struct *jpeg = &compressor->jpeg;
  compressor->errors = (struct jpeg_error_mgr){
      .error_exit = leave, .emit_message = ignore_level, .output_message = ignore, .reset_error_mgr = ignore};
  jpeg->err = &compressor->errors;
  jpeg->client_data = compressor;
  if (setjmp(compressor->on_error) != 0) return false;
  jpeg_create_compress(jpeg);
  compressor->destination = (struct jpeg_destination_mgr){
      .init_destination = start_output, .empty_output_buffer = next_piece, .term_destination = end_output};
  jpeg->dest = &compressor->destination;
  if (out_bytes_max > 0) {
    fill(compressor, out, out_bytes_max);
  } else {
    fill(compressor, compressor->overflow, OVERFLOW_BYTES);
  }
  jpeg->image_width = (JDIMENSION)picture->width;
  jpeg->image_height = (JDIMENSION)picture->height;
  jpeg->input_components = picture->components;
  jpeg->in_color_space = picture->colour_space;
  jpeg_set_defaults(jpeg); /* 4:2:0 for colour */
  jpeg_set_quality(jpeg, (int)quality, TRUE);
  jpeg_start_compress(jpeg, TRUE);
  while (jpeg->next_scanline < jpeg->image_height) {
    JSAMPROW row = (JSAMPROW)(picture->pixels + (size_t)jpeg->next_scanline * (size_t)picture->stride);
    jpeg_write_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_compress(jpeg);
  return true;
}

static int compress(const picture *picture, uint32_t quality, void *jpeg, uint64_t jpeg_bytes_max,
                    uint64_t *jpeg_bytes) {
  compressor compressor = {.bytes = 0};
  int result = 0;
  if (run_compressor(&compressor, picture, quality, jpeg, jpeg_bytes_max)) {
    *jpeg_bytes = compressor.bytes;
    if (compressor.bytes > jpeg_bytes_max) result = refuse_room(compressor.bytes, jpeg_bytes_max);
  } else {
    result = error_set(EINVAL, "cannot encode a frame of %d x %d as JPEG: libjpeg's error %d", picture->width,
                       picture->height, compressor.errors.msg_code);
  }
  jpeg_destroy_compress(&compressor.jpeg);
  return result;
}

/* How libjpeg-turbo names the bytes of a pixel. YUV comes as what convert_yuv() makes. */
static void describe_pixels(uint32_t format, picture *picture) {
  picture->components = format == TELE_FORMAT_RGB8 ? 3 : format == TELE_FORMAT_GRAY8 ? 1 : 4;
  picture->colour_space = format == TELE_FORMAT_RGB8    ? JCS_EXT_RGB
                          : format == TELE_FORMAT_RGBA8 ? JCS_EXT_RGBX
                          : format == TELE_FORMAT_GRAY8 ? JCS_GRAYSCALE
                                                        : JCS_EXT_BGRX;
}

int tele_jpeg_encode(const void *frame, uint64_t frame_bytes, uint32_t quality, void *jpeg, uint64_t jpeg_bytes_max,
                     uint64_t *jpeg_bytes) {
  tele_slot_header header;
  if (frame_bytes < sizeof header) {
    return error_set(EINVAL, "cannot encode a frame as JPEG: it has %llu bytes, its header alone has %zu",
                     (unsigned long long)frame_bytes, sizeof header);
  }
  if (quality < 1 || quality > 100) {
    return error_set(EINVAL, "cannot encode a frame as JPEG: quality is %u, expected 1 to 100", quality);
  }
  memcpy(&header, frame, sizeof header);
  const uint8_t *payload = (const uint8_t *)frame + sizeof header;
  if (header.bytes > frame_bytes - sizeof header) {
    return error_set(EINVAL, "cannot encode a frame as JPEG: it announces %u bytes and has %llu", header.bytes,
                     (unsigned long long)(frame_bytes - sizeof header));
  }
  if (header.format == TELE_FORMAT_JPEG) {
    uint32_t bytes = header.overlay_bytes > 0 ? header.overlay_offset : header.bytes;
    return copy_out(payload, bytes < header.bytes ? bytes : header.bytes, jpeg, jpeg_bytes_max, jpeg_bytes);
  }
  if (!format_is_raw(header.format)) {
    return error_set(ENOTSUP, "cannot encode a frame of format %u as JPEG", header.format);
  }
  if (header.width - 1 >= PICTURE_SIDE_MAX || header.height - 1 >= PICTURE_SIDE_MAX ||
      header.stride < picture_stride_min(header.format, header.width) || header.stride > INT32_MAX ||
      picture_bytes(header.format, header.stride, header.height) > header.bytes) {
    return error_set(EINVAL, "cannot encode a frame as JPEG: %u x %u with stride %u does not fit its %u bytes",
                     header.width, header.height, header.stride, header.bytes);
  }
  picture picture = {
      .pixels = payload, .width = (int)header.width, .height = (int)header.height, .stride = (int)header.stride};
  describe_pixels(header.format, &picture);
  uint8_t *bgra = NULL;
  if (header.format == TELE_FORMAT_NV12 || header.format == TELE_FORMAT_I420) {
    bgra = malloc((size_t)header.width * header.height * 4);
    if (bgra == NULL || convert_yuv(&header, payload, bgra) < 0) {
      free(bgra);
      return error_set(ENOMEM, "cannot encode a frame of %u x %u as JPEG: no memory", header.width, header.height);
    }
    picture.pixels = bgra;
    picture.stride = picture.width * 4;
  }
  int result = compress(&picture, quality, jpeg, jpeg_bytes_max, jpeg_bytes);
  free(bgra);
  return result;
}
