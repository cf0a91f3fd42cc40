#include "stream_text.h"

#include <stdlib.h>

#include "card.h"
#include "harness.h"

void stream_text_add(stream_text *text, const void *bytes, size_t bytes_count) {
  text->bytes = realloc(text->bytes, text->bytes_count + bytes_count);
  CHECK(text->bytes != NULL);
  memcpy(text->bytes + text->bytes_count, bytes, bytes_count);
  text->bytes_count += bytes_count;
}

void stream_text_end_unit(stream_text *text, uint32_t flags) {
  CHECK(text->units_count < UNITS_MAX);
  text->flags[text->units_count++] = flags;
  text->begins[text->units_count] = text->bytes_count;
}

stream_text stream_text_encoded(const encoder_backend *backend, uint32_t width, uint32_t height, uint32_t pictures) {
  if (encoder_probe_of(backend)->result < 0) skip_test("%s: %s", backend->name, encoder_probe_of(backend)->detail);
  const encoder_config config = {.width = width, .height = height, .fps_mhz = 30000, .bitrate_kbps = 2000};
  encoder *encoder;
  CHECK_EQ(backend->open(&config, &encoder), 0);
  card card = card_make(width, height);
  stream_text text = {.bytes = NULL};
  for (uint32_t i = 0; i < pictures; i++) {
    card_draw_noise(&card, i);
    access_unit unit;
    CHECK_EQ(backend->encode(encoder, &card.picture, i % 5 == 0, &unit), 0);
    stream_text_add(&text, unit.bytes, unit.bytes_count);
    stream_text_end_unit(&text, unit.keyframe ? TELE_UNIT_KEYFRAME : 0);
  }
  card_free(&card);
  backend->close(encoder);
  return text;
}
