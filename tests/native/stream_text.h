/* A stream of Annex-B, and where its access units begin. */
#ifndef STREAM_TEXT_H
#define STREAM_TEXT_H

#include "encoder.h"

#define UNITS_MAX 64

typedef struct stream_text {
  uint8_t *bytes;
  size_t bytes_count;
  size_t begins[UNITS_MAX + 1];
  uint32_t flags[UNITS_MAX]; /* TELE_UNIT_*, as a splitter should tell them */
  uint32_t units_count;
} stream_text;

void stream_text_add(stream_text *text, const void *bytes, size_t bytes_count);
void stream_text_end_unit(stream_text *text, uint32_t flags);

/* What an encoder makes of moving noise: a keyframe at the first and every fifth picture. Skips the test where the
 * encoder does not work. */
stream_text stream_text_encoded(const encoder_backend *backend, uint32_t width, uint32_t height, uint32_t pictures);

#endif
