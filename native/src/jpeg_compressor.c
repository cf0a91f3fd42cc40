#include "jpeg_compressor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>

#include <jpeglib.h>

#include "error.h"

/* How libjpeg-turbo names the bytes of a pixel. */
static const struct {
  int components;
  J_COLOR_SPACE colour_space;
} layouts[] = {
    [JPEG_PIXELS_RGB] = {3, JCS_EXT_RGB},
    [JPEG_PIXELS_RGBX] = {4, JCS_EXT_RGBX},
    [JPEG_PIXELS_BGRX] = {4, JCS_EXT_BGRX},
    [JPEG_PIXELS_GREY] = {1, JCS_GRAYSCALE},
};

int jpeg_refuse_room(uint64_t needed_bytes, uint64_t jpeg_bytes_max) {
  return error_set(ENOBUFS, "cannot encode a frame as JPEG: it needs %llu bytes, the buffer has %llu",
                   (unsigned long long)needed_bytes, (unsigned long long)jpeg_bytes_max);
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
static bool run_compressor(compressor *compressor, const jpeg_source *source, uint32_t quality, uint8_t *out,
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
  jpeg->image_width = source->width;
  jpeg->image_height = source->height;
  jpeg->input_components = layouts[source->pixels].components;
  jpeg->in_color_space = layouts[source->pixels].colour_space;
  jpeg_set_defaults(jpeg); /* 4:2:0 for colour */
  jpeg_set_quality(jpeg, (int)quality, TRUE);
  jpeg_start_compress(jpeg, TRUE);
  while (jpeg->next_scanline < jpeg->image_height) {
    JSAMPROW row = (JSAMPROW)(source->bytes + (size_t)jpeg->next_scanline * source->stride);
    jpeg_write_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_compress(jpeg);
  return true;
}

int jpeg_compress(const jpeg_source *source, uint32_t quality, void *jpeg, uint64_t jpeg_bytes_max,
                  uint64_t *jpeg_bytes) {
  compressor compressor = {.bytes = 0};
  int result = 0;
  if (run_compressor(&compressor, source, quality, jpeg, jpeg_bytes_max)) {
    *jpeg_bytes = compressor.bytes;
    if (compressor.bytes > jpeg_bytes_max) result = jpeg_refuse_room(compressor.bytes, jpeg_bytes_max);
  } else {
    result = error_set(EINVAL, "cannot encode a frame of %u x %u as JPEG: libjpeg's error %d", source->width,
                       source->height, compressor.errors.msg_code);
  }
  jpeg_destroy_compress(&compressor.jpeg);
  return result;
}
