#include "jpeg_luma.h"

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "error.h"

/* Of a progressive JPEG libjpeg keeps every coefficient: 2 bytes for each, and there is one per pixel. 8192 x 8192. */
#define PIXELS_MAX (1u << 26)

typedef struct decompressor {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  jmp_buf on_error;
  uint8_t *rows;
} decompressor;

/* libjpeg's own error manager prints, and ends the process. */
static void leave(j_common_ptr jpeg) { longjmp(((decompressor *)jpeg->client_data)->on_error, 1); }
static void ignore(j_common_ptr jpeg) { (void)jpeg; }

/* A warning is a picture with holes: none. Traces have levels from 0 up. */
static void leave_at_warning(j_common_ptr jpeg, int level) {
  if (level < 0) leave(jpeg);
}

/* False for what libjpeg refuses; without memory the rows are NULL then. */
static bool decode(decompressor *decompressor, const uint8_t *bytes, size_t bytes_count, uint32_t width_min) {
  struct jpeg_decompress_struct *jpeg = &decompressor->jpeg;
  decompressor->errors = (struct jpeg_error_mgr){
      .error_exit = leave, .emit_message = leave_at_warning, .output_message = ignore, .reset_error_mgr = ignore};
  jpeg->err = &decompressor->errors;
  jpeg->client_data = decompressor;
  if (setjmp(decompressor->on_error) != 0) return false;
  jpeg_create_decompress(jpeg);
  jpeg_mem_src(jpeg, bytes, bytes_count);
  if (jpeg_read_header(jpeg, TRUE) != JPEG_HEADER_OK) return false;
  if ((uint64_t)jpeg->image_width * jpeg->image_height > PIXELS_MAX) return false;
  jpeg->out_color_space = JCS_GRAYSCALE;
  jpeg->dct_method = JDCT_FASTEST;
  jpeg->scale_num = 1;
  for (jpeg->scale_denom = 8; jpeg->scale_denom > 1; jpeg->scale_denom /= 2) {
    if (jpeg->image_width / jpeg->scale_denom >= width_min) break;
  }
  jpeg_start_decompress(jpeg);
  decompressor->rows = malloc((size_t)jpeg->output_width * jpeg->output_height);
  if (decompressor->rows == NULL) return false;
  while (jpeg->output_scanline < jpeg->output_height) {
    JSAMPROW row = decompressor->rows + (size_t)jpeg->output_scanline * jpeg->output_width;
    jpeg_read_scanlines(jpeg, &row, 1);
  }
  return true;
}

int jpeg_luma_decode(const uint8_t *bytes, size_t bytes_count, uint32_t width_min, jpeg_luma *luma) {
  decompressor decompressor = {.rows = NULL};
  int result = decode(&decompressor, bytes, bytes_count, width_min);
  if (result == 1) {
    *luma = (jpeg_luma){
        .rows = decompressor.rows, .width = decompressor.jpeg.output_width, .height = decompressor.jpeg.output_height};
  } else {
    free(decompressor.rows);
  }
  jpeg_destroy_decompress(&decompressor.jpeg);
  return result;
}
