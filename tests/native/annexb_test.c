/* One access unit in, one out, however the stream is cut into pieces, and nothing that a hostile one can do. */
#include <stdlib.h>

#include "annexb.h"
#include "card.h"
#include "harness.h"

#define UNIT_BYTES_MAX (1u << 20)
#define UNITS_MAX 64

/* A stream, and where its units begin. */
typedef struct stream_text {
  uint8_t *bytes;
  size_t bytes_count;
  size_t begins[UNITS_MAX + 1];
  uint32_t flags[UNITS_MAX];
  uint32_t units_count;
} stream_text;

static void add(stream_text *text, const void *bytes, size_t bytes_count) {
  text->bytes = realloc(text->bytes, text->bytes_count + bytes_count);
  CHECK(text->bytes != NULL);
  memcpy(text->bytes + text->bytes_count, bytes, bytes_count);
  text->bytes_count += bytes_count;
}

static void end_unit(stream_text *text, uint32_t flags) {
  CHECK(text->units_count < UNITS_MAX);
  text->flags[text->units_count++] = flags;
  text->begins[text->units_count] = text->bytes_count;
}

/* What an encoder makes of a moving card: a keyframe at the first and every fifth. */
static stream_text encoded(const encoder_backend *backend, uint32_t width, uint32_t height, uint32_t pictures) {
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
    add(&text, unit.bytes, unit.bytes_count);
    end_unit(&text, unit.keyframe ? TELE_UNIT_KEYFRAME : 0);
  }
  card_free(&card);
  backend->close(encoder);
  return text;
}

static tele_annexb *open_splitter(uint64_t unit_bytes_max) {
  tele_annexb *splitter;
  CHECK_EQ(tele_annexb_open(unit_bytes_max, &splitter), 0);
  return splitter;
}

/* The next of the stream's units is this one. */
static void expect_unit(const stream_text *text, uint32_t index, const tele_access_unit *unit) {
  CHECK(index < text->units_count);
  const size_t begin = text->begins[index], bytes_count = text->begins[index + 1] - begin;
  CHECK_EQ(unit->bytes_count, bytes_count);
  CHECK_EQ(memcmp(unit->bytes, text->bytes + begin, bytes_count), 0);
  CHECK_EQ(unit->flags, text->flags[index]);
}

/* Pushes the stream in pieces of that many bytes; the last unit ends with it. */
static void split(const stream_text *text, size_t piece_bytes, uint32_t width, uint32_t height) {
  tele_annexb *splitter = open_splitter(UNIT_BYTES_MAX);
  tele_access_unit unit;
  uint32_t found = 0;
  for (size_t at = 0; at < text->bytes_count;) {
    const size_t rest = text->bytes_count - at;
    const int64_t taken = tele_annexb_push(splitter, text->bytes + at, rest < piece_bytes ? rest : piece_bytes);
    CHECK(taken > 0);
    at += (size_t)taken;
    while (tele_annexb_next(splitter, &unit) == 1) {
      expect_unit(text, found++, &unit);
      CHECK(unit.width == width && unit.height == height);
    }
  }
  CHECK_EQ(tele_annexb_cut(splitter, &unit), 1);
  expect_unit(text, found++, &unit);
  CHECK_EQ(found, text->units_count);
  CHECK_EQ(tele_annexb_cut(splitter, &unit), 0);
  CHECK_EQ(annexb_wrong_cuts(splitter), 0);
  tele_annexb_close(splitter);
}

static void encoder_units(const encoder_backend *backend) {
  stream_text text = encoded(backend, 162, 98, 12);
  const size_t pieces[] = {1, 2, 3, 7, 188, 4096, 1u << 20};
  for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) split(&text, pieces[i], 162, 98);
  free(text.bytes);
}

static void x264_units_come_out_as_they_went_in(void) { encoder_units(&encoder_x264); }
static void openh264_units_come_out_as_they_went_in(void) { encoder_units(&encoder_openh264); }

/* From 720p on in slices, where there are cores for them. */
static void slices_stay_together(void) {
  stream_text text = encoded(&encoder_x264, 1280, 720, 6);
  split(&text, 65536, 1280, 720);
  free(text.bytes);
}

static const test tests[] = {
    {"x264's units come out as they went in", x264_units_come_out_as_they_went_in},
    {"OpenH264's units come out as they went in", openh264_units_come_out_as_they_went_in},
    {"slices stay together", slices_stay_together},
};
SUITE(annexb, tests);
