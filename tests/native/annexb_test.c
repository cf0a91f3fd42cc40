/* One access unit in, one out, however the stream is cut into pieces, and nothing that a hostile one can do. */
#include <stdlib.h>

#include "annexb.h"
#include "card.h"
#include "h264.h"
#include "harness.h"
#include "stream_text.h"

#define UNIT_BYTES_MAX (1u << 20)

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
  stream_text text = stream_text_encoded(backend, 162, 98, 12);
  const size_t pieces[] = {1, 2, 3, 7, 188, 4096, 1u << 20};
  for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) split(&text, pieces[i], 162, 98);
  free(text.bytes);
}

static void x264_units_come_out_as_they_went_in(void) { encoder_units(&encoder_x264); }
static void openh264_units_come_out_as_they_went_in(void) { encoder_units(&encoder_openh264); }

/* From 720p on in slices, where there are cores for them. */
static void slices_stay_together(void) {
  stream_text text = stream_text_encoded(&encoder_x264, 1280, 720, 6);
  split(&text, 65536, 1280, 720);
  free(text.bytes);
}

/* ---- Streams put together by hand ---------------------------------------------------------------- */

static const uint8_t zeros_and_one[] = {0, 0, 0, 1};

static void add_nal(stream_text *text, bool long_start_code, const uint8_t *nal, size_t nal_bytes) {
  stream_text_add(text, zeros_and_one + !long_start_code, sizeof zeros_and_one - !long_start_code);
  stream_text_add(text, nal, nal_bytes);
}

/* 96 x 64, Baseline; a PPS; slices that are the first of a picture and not, with emulation prevention in them. */
static const uint8_t aud[] = {9, 0xF0}, sps[] = {0x67, 0x42, 0xC0, 0x0A, 0xDA, 0x18, 0x99},
                     pps[] = {0x68, 0xCE, 0x38, 0x80}, sei[] = {6, 5, 1, 7, 0x80}, prefix[] = {0x0E, 0x40, 0x80},
                     idr[] = {0x65, 0x88, 0, 0, 3, 1, 0, 0, 3, 0x55}, p[] = {0x41, 0x9A, 0, 0, 3, 0, 0, 3, 1, 0x77},
                     p_second[] = {0x41, 0x46, 0x9A, 0x33}, b[] = {0x01, 0x9E, 0x42, 0x11};

#define ADD(text, nal) add_nal(text, long_start_code, nal, sizeof nal)

static stream_text handmade(bool long_start_code, bool with_delimiters) {
  stream_text text = {.bytes = NULL};
  for (int group = 0; group < 3; group++) {
    if (with_delimiters) ADD(&text, aud);
    ADD(&text, sps), ADD(&text, pps), ADD(&text, sei), ADD(&text, idr);
    stream_text_end_unit(&text, TELE_UNIT_KEYFRAME);
    if (with_delimiters) ADD(&text, aud);
    ADD(&text, p);
    stream_text_end_unit(&text, 0);
    if (with_delimiters) ADD(&text, aud);
    ADD(&text, sei), ADD(&text, p), ADD(&text, p_second), ADD(&text, prefix), ADD(&text, p_second);
    stream_text_end_unit(&text, 0);
    ADD(&text, prefix), ADD(&text, p);
    stream_text_end_unit(&text, 0);
    ADD(&text, b), ADD(&text, p_second);
    stream_text_end_unit(&text, TELE_UNIT_B_SLICES);
  }
  return text;
}

static void every_kind_of_boundary_is_found(void) {
  h264_sps found;
  CHECK(h264_sps_parse(sps, sizeof sps, &found));
  CHECK(h264_sps_is_usual(&found));
  for (int variant = 0; variant < 4; variant++) {
    stream_text text = handmade((variant & 1) != 0, (variant & 2) != 0);
    for (size_t piece = 1; piece <= 40; piece++) split(&text, piece, found.width, found.height);
    free(text.bytes);
  }
}

/* Whatever is said about it: a unit is never given out twice, or half. */
static void it_may_be_cut_at_every_byte(void) {
  stream_text text = handmade(true, true);
  const size_t end = text.bytes_count;
  for (size_t at = 0; at <= end; at++) {
    tele_annexb *splitter = open_splitter(UNIT_BYTES_MAX);
    tele_access_unit unit;
    uint32_t found = 0;
    const size_t pieces[] = {at, end - at};
    for (size_t i = 0; i < 2; i++) {
      const uint8_t *piece = text.bytes + (i == 0 ? 0 : at);
      if (pieces[i] > 0) CHECK_EQ(tele_annexb_push(splitter, piece, pieces[i]), (int64_t)pieces[i]);
      while (tele_annexb_next(splitter, &unit) == 1) expect_unit(&text, found++, &unit);
    }
    CHECK_EQ(tele_annexb_cut(splitter, &unit), 1);
    expect_unit(&text, found++, &unit);
    CHECK_EQ(found, text.units_count);
    tele_annexb_close(splitter);
  }
  free(text.bytes);
}

static void zeros_behind_a_unit_are_nobodys(void) {
  stream_text text = {.bytes = NULL};
  const bool long_start_code = true;
  const uint8_t zeros[5] = {0};
  stream_text_add(&text, zeros, sizeof zeros);
  for (int i = 0; i < 3; i++) {
    ADD(&text, sps), ADD(&text, pps), ADD(&text, idr);
    stream_text_add(&text, zeros, sizeof zeros);
  }
  tele_annexb *splitter = open_splitter(UNIT_BYTES_MAX);
  tele_access_unit unit;
  CHECK_EQ(tele_annexb_push(splitter, text.bytes, text.bytes_count), (int64_t)text.bytes_count);
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(tele_annexb_next(splitter, &unit), 1);
    CHECK_EQ(unit.bytes_count, 3 * sizeof zeros_and_one + sizeof sps + sizeof pps + sizeof idr);
    CHECK_EQ(unit.flags, TELE_UNIT_KEYFRAME);
  }
  CHECK_EQ(tele_annexb_next(splitter, &unit), 0);
  tele_annexb_close(splitter);
  free(text.bytes);
}

/* As of an encoder that says them once. They stand behind a delimiter. */
static void keyframes_get_the_parameters_that_came_before(void) {
  stream_text text = {.bytes = NULL};
  const bool long_start_code = true;
  ADD(&text, sps), ADD(&text, pps), ADD(&text, idr), ADD(&text, aud), ADD(&text, sei), ADD(&text, idr), ADD(&text, aud);
  tele_annexb *splitter = open_splitter(UNIT_BYTES_MAX);
  tele_access_unit unit;
  for (size_t at = 0; at < text.bytes_count; at++) {
    CHECK_EQ(tele_annexb_push(splitter, text.bytes + at, 1), 1);
    if (tele_annexb_next(splitter, &unit) != 1) continue;
    CHECK_EQ(unit.flags, TELE_UNIT_KEYFRAME);
    const h264_unit parsed = h264_parse(unit.bytes + (at + 2 < text.bytes_count ? 0 : 6),
                                        unit.bytes_count - (at + 2 < text.bytes_count ? 0 : 6));
    CHECK(parsed.headers_first && parsed.sps_count == 1 && parsed.pps_count == 1 && parsed.idr_slices == 1);
  }
  CHECK_EQ(memcmp(unit.bytes + 4, aud, sizeof aud), 0);
  tele_annexb_close(splitter);
  free(text.bytes);
}

/* ---- Cuts ---------------------------------------------------------------------------------------- */

static void a_cut_gives_a_unit_out_at_once(void) {
  stream_text text = stream_text_encoded(&encoder_openh264, 162, 98, 12);
  tele_annexb *splitter = open_splitter(UNIT_BYTES_MAX);
  tele_access_unit unit;
  for (uint32_t i = 0; i < text.units_count; i++) {
    const size_t bytes_count = text.begins[i + 1] - text.begins[i];
    CHECK_EQ(tele_annexb_push(splitter, text.bytes + text.begins[i], bytes_count), (int64_t)bytes_count);
    CHECK_EQ(tele_annexb_next(splitter, &unit), 0);
    CHECK_EQ(tele_annexb_cut(splitter, &unit), 1);
    expect_unit(&text, i, &unit);
  }
  CHECK_EQ(annexb_wrong_cuts(splitter), 0);
  tele_annexb_close(splitter);
  free(text.bytes);
}

/* The rest of the unit is dropped, and the next one says that something is missing: the ones after it are as ever. */
static void a_wrong_cut_is_seen(void) {
  stream_text text = stream_text_encoded(&encoder_openh264, 162, 98, 4);
  for (size_t at = text.begins[1] + 6; at < text.begins[2]; at += 13) {
    tele_annexb *splitter = open_splitter(UNIT_BYTES_MAX);
    tele_access_unit unit;
    CHECK_EQ(tele_annexb_push(splitter, text.bytes, at), (int64_t)at);
    CHECK_EQ(tele_annexb_next(splitter, &unit), 1);
    expect_unit(&text, 0, &unit);
    if (tele_annexb_cut(splitter, &unit) == 1) {
      CHECK_EQ(tele_annexb_push(splitter, text.bytes + at, text.bytes_count - at), (int64_t)(text.bytes_count - at));
      text.flags[2] = TELE_UNIT_AFTER_LOSS;
      CHECK_EQ(tele_annexb_next(splitter, &unit), 1);
      expect_unit(&text, 2, &unit);
      CHECK_EQ(tele_annexb_cut(splitter, &unit), 1);
      expect_unit(&text, 3, &unit);
      CHECK_EQ(annexb_wrong_cuts(splitter), 1);
    }
    tele_annexb_close(splitter);
  }
  free(text.bytes);
}

/* ---- Hostile streams ----------------------------------------------------------------------------- */

static void a_unit_that_is_too_large_is_dropped(void) {
  stream_text text = stream_text_encoded(&encoder_openh264, 162, 98, 6);
  tele_annexb *splitter = open_splitter(100000);
  uint8_t slice[4096] = {0x41, 0x46};
  memset(slice + 2, 0x55, sizeof slice - 2);
  for (int i = 0; i < 40; i++) add_nal(&text, true, i == 0 ? p : slice, i == 0 ? sizeof p : sizeof slice);
  stream_text again = stream_text_encoded(&encoder_openh264, 162, 98, 1);
  stream_text_add(&text, again.bytes, again.bytes_count);
  uint32_t units = 0, refusals = 0;
  tele_access_unit unit;
  for (size_t at = 0; at < text.bytes_count;) {
    const size_t rest = text.bytes_count - at;
    at += (size_t)tele_annexb_push(splitter, text.bytes + at, rest < 500 ? rest : 500);
    int found;
    while ((found = tele_annexb_next(splitter, &unit)) != 0) *(found == 1 ? &units : &refusals) += 1;
  }
  CHECK_EQ(refusals, 1);
  CHECK_MESSAGE("100000");
  CHECK_EQ(units, 6);
  CHECK_EQ(tele_annexb_cut(splitter, &unit), 1);
  CHECK_EQ(unit.flags, TELE_UNIT_KEYFRAME | TELE_UNIT_AFTER_LOSS);
  CHECK_EQ(unit.bytes_count, again.bytes_count);
  tele_annexb_close(splitter);
  free(again.bytes);
  free(text.bytes);
}

/* Bytes of which many are zeros, ones and headers: units of anything, in bounded memory. */
static void noise_stays_bounded(void) {
  static const uint8_t frequent[] = {0, 0, 0, 1, 1, 3, 0x67, 0x68, 0x65, 0x41, 9, 6, 0x80, 0xFF, 0x0E, 0x42};
  uint64_t state = 0x5EED0006;
  for (int round = 0; round < 40; round++) {
    tele_annexb *splitter = open_splitter(5000);
    tele_access_unit unit;
    for (int i = 0; i < 60; i++) {
      uint8_t bytes[700];
      for (size_t k = 0; k < sizeof bytes; k++) {
        const uint64_t random = random_next(&state) >> 20;
        bytes[k] = (random & 0x300) == 0 ? (uint8_t)random : frequent[random & 15];
      }
      for (size_t at = 0; at < sizeof bytes;) {
        const int64_t taken = tele_annexb_push(splitter, bytes + at, 1 + random_next(&state) % (sizeof bytes - at));
        CHECK(taken > 0);
        at += (size_t)taken;
        int found;
        while ((found = tele_annexb_next(splitter, &unit)) != 0) {
          CHECK(found == 1 ? unit.bytes_count > 0 && unit.slices_count > 0 : found == -EMSGSIZE);
          if (found == 1) CHECK_EQ(unit.bytes[0], 0);
        }
        CHECK(annexb_held_bytes(splitter) <= 65536 + 5000);
        if (random_next(&state) % 64 == 0) tele_annexb_cut(splitter, &unit);
      }
    }
    tele_annexb_close(splitter);
  }
}

/* Without a start code nothing is kept. */
static void a_desert_is_forgotten(void) {
  tele_annexb *splitter = open_splitter(UNIT_BYTES_MAX);
  static uint8_t sand[65536];
  memset(sand, 0x55, sizeof sand);
  tele_access_unit unit;
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(tele_annexb_push(splitter, sand, sizeof sand), sizeof sand);
    CHECK_EQ(tele_annexb_next(splitter, &unit), 0);
    CHECK(annexb_held_bytes(splitter) <= sizeof sand);
  }
  tele_annexb_close(splitter);
}

static const test tests[] = {
    {"x264's units come out as they went in", x264_units_come_out_as_they_went_in},
    {"OpenH264's units come out as they went in", openh264_units_come_out_as_they_went_in},
    {"slices stay together", slices_stay_together},
    {"every kind of boundary is found", every_kind_of_boundary_is_found},
    {"it may be cut at every byte", it_may_be_cut_at_every_byte},
    {"zeros behind a unit are nobody's", zeros_behind_a_unit_are_nobodys},
    {"keyframes get the parameters that came before", keyframes_get_the_parameters_that_came_before},
    {"a cut gives a unit out at once", a_cut_gives_a_unit_out_at_once},
    {"a wrong cut is seen", a_wrong_cut_is_seen},
    {"a unit that is too large is dropped", a_unit_that_is_too_large_is_dropped},
    {"noise stays bounded", noise_stays_bounded},
    {"a desert is forgotten", a_desert_is_forgotten},
};
SUITE(annexb, tests);
