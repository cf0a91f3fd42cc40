/* JPEG as an encoder: every picture is a keyframe. For pages without WebCodecs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <libyuv.h>

#include "encoder.h"
#include "error.h"
#include "jpeg_compressor.h"

typedef struct jpeg_encoder {
  encoder base;
  encoder_config config;
  uint8_t *bgra; /* JPEG's own YUV is full-range BT.601, so the picture goes through RGB */
  uint8_t *jpeg;
  uint64_t jpeg_bytes_max; /* of jpeg */
} jpeg_encoder;

static int probe(char *detail, size_t detail_bytes) {
  snprintf(detail, detail_bytes, "libjpeg-turbo, built in");
  return 0;
}

static void close_encoder(encoder *base) {
  jpeg_encoder *encoder = (jpeg_encoder *)base;
  if (encoder == NULL) return;
  free(encoder->bgra);
  free(encoder->jpeg);
  free(encoder);
}

static int set_quality(jpeg_encoder *encoder, const encoder_config *config) {
  if (config->quality < 1 || config->quality > 100) {
    return error_set(EINVAL, "cannot encode JPEG: quality is %u, expected 1 to 100", config->quality);
  }
  encoder->config = *config;
  return 0;
}

static int reconfigure(encoder *base, const encoder_config *config) {
  jpeg_encoder *encoder = (jpeg_encoder *)base;
  int result = encoder_check_reconfigure(&encoder->config, config);
  return result < 0 ? result : set_quality(encoder, config);
}

static int open_encoder(const encoder_config *config, encoder **made) {
  jpeg_encoder *encoder = calloc(1, sizeof *encoder);
  if (encoder == NULL) return error_set(ENOMEM, "cannot open the JPEG encoder: no memory");
  encoder->base = (struct encoder){.backend = &encoder_jpeg, .name = "libjpeg-turbo"};
  int result = set_quality(encoder, config);
  uint64_t pixels = (uint64_t)config->width * config->height;
  encoder->jpeg_bytes_max = pixels / 2 + 4096; /* grows when a picture needs more */
  encoder->bgra = malloc(pixels * 4);
  encoder->jpeg = malloc(encoder->jpeg_bytes_max);
  if (result == 0 && (encoder->bgra == NULL || encoder->jpeg == NULL)) {
    result = error_set(ENOMEM, "cannot open the JPEG encoder for %u x %u: no memory", config->width, config->height);
  }
  if (result < 0) {
    close_encoder(&encoder->base);
    return result;
  }
  *made = &encoder->base;
  return 0;
}

static int compress(jpeg_encoder *encoder, const encoder_picture *picture, uint64_t *bytes) {
  jpeg_source source = {.bytes = encoder->bgra,
                        .width = picture->width,
                        .height = picture->height,
                        .stride = picture->width * 4,
                        .pixels = JPEG_PIXELS_BGRX};
  return jpeg_compress(&source, encoder->config.quality, encoder->jpeg, encoder->jpeg_bytes_max, bytes);
}

static int encode(encoder *base, const encoder_picture *picture, bool keyframe, access_unit *out) {
  (void)keyframe; /* they all are */
  jpeg_encoder *encoder = (jpeg_encoder *)base;
  int result = encoder_check_picture(&encoder->config, picture);
  if (result < 0) return result;
  H420ToARGB(picture->planes[0], picture->strides[0], picture->planes[1], picture->strides[1], picture->planes[2],
             picture->strides[2], encoder->bgra, (int)picture->width * 4, (int)picture->width, (int)picture->height);
  uint64_t bytes;
  result = compress(encoder, picture, &bytes);
  if (result == -ENOBUFS) {
    /* Half as much again: a picture that does not fit is compressed twice, and the next may be a little larger. */
    uint64_t bytes_max = bytes + bytes / 2;
    uint8_t *larger = realloc(encoder->jpeg, bytes_max);
    if (larger == NULL) {
      return error_set(ENOMEM, "cannot encode JPEG: no memory for %llu bytes", (unsigned long long)bytes_max);
    }
    encoder->jpeg = larger;
    encoder->jpeg_bytes_max = bytes_max;
    result = compress(encoder, picture, &bytes);
  }
  *out = (access_unit){.bytes = encoder->jpeg, .bytes_count = bytes, .keyframe = true};
  return result;
}

const encoder_backend encoder_jpeg = {.kind = TELE_ENCODER_JPEG,
                                      .name = "jpeg",
                                      .probe = probe,
                                      .open = open_encoder,
                                      .reconfigure = reconfigure,
                                      .encode = encode,
                                      .close = close_encoder};
