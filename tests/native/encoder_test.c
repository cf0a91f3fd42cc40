/* What every encoder promises (encoder.h), checked for each row of the table; candidates_test.c counts the rows. */
#include <pthread.h>
#include <stdlib.h>

#include "card.h"
#include "decoder.h"
#include "h264.h"
#include "harness.h"

#define WIDTH 320
#define HEIGHT 240
#define FPS 30

static encoder_config config_of(uint32_t width, uint32_t height) {
  return (encoder_config){.width = width, .height = height, .fps_mhz = FPS * 1000, .bitrate_kbps = 1000, .quality = 80};
}

/* Skips the test where the encoder does not work. */
static encoder *open_usable(const encoder_backend *backend, const encoder_config *config) {
  const encoder_probe *probe = encoder_probe_of(backend);
  if (probe->result < 0) skip_test("%s: %s", backend->name, probe->detail);
  encoder *made;
  CHECK_EQ(backend->open(config, &made), 0);
  CHECK(made->backend == backend && made->name[0] != '\0');
  return made;
}

static access_unit encode(encoder *encoder, const card *card, bool keyframe) {
  access_unit unit = {.bytes = NULL};
  CHECK_EQ(encoder->backend->encode(encoder, &card->picture, keyframe, &unit), 0);
  CHECK(unit.bytes_count > 0);
  return unit;
}

/* One picture in, one out, in order, and near what went in. */
static void expect_decoded(decoder *decoder, access_unit unit, const card *card) {
  encoder_picture picture;
  CHECK_EQ(decoder_run(decoder, unit.bytes, unit.bytes_count, &picture), 1);
  double psnr = card_psnr(&card->picture, &picture);
  if (psnr < 30) fail_test(__FILE__, __LINE__, "%.1f dB", psnr);
}

/* ---- H.264 ------------------------------------------------------------------------------------- */

static void decodes(const encoder_backend *backend, uint32_t width, uint32_t height, uint32_t pictures) {
  encoder_config config = config_of(width, height);
  encoder *encoder = open_usable(backend, &config);
  card card = card_make(width, height);
  decoder *decoder;
  CHECK_EQ(decoder_open(&decoder), 0);
  for (uint32_t i = 0; i < pictures; i++) {
    card_draw(&card, i);
    access_unit unit = encode(encoder, &card, false);
    CHECK_EQ(unit.keyframe, i == 0);
    expect_decoded(decoder, unit, &card);
  }
  decoder_close(decoder);
  card_free(&card);
  backend->close(encoder);
}

static void one_in_one_out(const encoder_backend *backend) { decodes(backend, WIDTH, HEIGHT, 120); }

/* From 720p on with slices and threads, where there are cores for them. */
static void large_pictures(const encoder_backend *backend) { decodes(backend, 1280, 720, 6); }

/* Not a multiple of a macroblock: what is cropped is told. */
static void even_sizes(const encoder_backend *backend) { decodes(backend, 162, 98, 10); }

static void expect_headers(const h264_unit *unit, uint32_t width, uint32_t height) {
  CHECK(unit->headers_first && unit->sps_count == 1 && unit->pps_count == 1);
  CHECK_EQ(unit->width, width);
  CHECK_EQ(unit->height, height);
  CHECK_EQ(unit->profile, 66);
  CHECK(unit->colours_told && !unit->full_range);
  CHECK(unit->primaries == 1 && unit->transfer == 1 && unit->matrix == 1);
  /* Output order is decoding order: said outright, or by the way of counting (8.2.1.3). */
  CHECK(unit->reorder_frames == 0 || (unit->reorder_frames == UINT32_MAX && unit->poc_type == 2));
}

static void access_units_are_whole(const encoder_backend *backend) {
  encoder_config config = config_of(WIDTH, HEIGHT);
  encoder *encoder = open_usable(backend, &config);
  card card = card_make(WIDTH, HEIGHT);
  for (uint32_t i = 0; i < 40; i++) {
    card_draw_noise(&card, i);
    access_unit unit = encode(encoder, &card, i % 10 == 9);
    h264_unit parsed = h264_parse(unit.bytes, unit.bytes_count);
    bool keyframe = i == 0 || i % 10 == 9;
    CHECK_EQ(unit.keyframe, keyframe);
    CHECK(keyframe ? parsed.idr_slices > 0 && parsed.other_slices == 0
                   : parsed.idr_slices == 0 && parsed.other_slices > 0 && parsed.sps_count == 0);
    CHECK(!parsed.b_slices);
    if (keyframe) expect_headers(&parsed, WIDTH, HEIGHT);
  }
  card_free(&card);
  backend->close(encoder);
}

/* Exactly these are keyframes; scenes that change completely make none. */
static void keyframes_on_request(const encoder_backend *backend) {
  encoder_config config = config_of(WIDTH, HEIGHT);
  encoder *encoder = open_usable(backend, &config);
  card cards[2] = {card_make(WIDTH, HEIGHT), card_make(WIDTH, HEIGHT)};
  card_draw(&cards[0], 0);
  card_draw_noise(&cards[1], 50);
  for (uint32_t i = 0; i < 100; i++) {
    bool asked = i == 10 || i == 11 || i == 60;
    CHECK_EQ(encode(encoder, &cards[i / 5 % 2], asked).keyframe, asked || i == 0);
  }
  card_free(&cards[0]);
  card_free(&cards[1]);
  backend->close(encoder);
}

/* In kbit/s at FPS. */
static double bitrate_of(encoder *encoder, card *card, uint32_t first, uint32_t pictures) {
  double bytes = 0;
  for (uint32_t i = first; i < first + pictures; i++) {
    card_draw_noise(card, i);
    bytes += (double)encode(encoder, card, false).bytes_count;
  }
  return bytes * 8 * FPS / pictures / 1000;
}

static void expect_near(double found, double expected) {
  if (found < expected * 0.75 || found > expected * 1.25) {
    fail_test(__FILE__, __LINE__, "%.0f kbit/s, expected %.0f", found, expected);
  }
}

static void the_bitrate_is_kept(const encoder_backend *backend) {
  encoder_config config = config_of(WIDTH, HEIGHT);
  encoder *encoder = open_usable(backend, &config);
  card card = card_make(WIDTH, HEIGHT);
  expect_near(bitrate_of(encoder, &card, 0, 3 * FPS), 1000);
  /* Other rates hold after half a second, and need no keyframe. */
  config.bitrate_kbps = 400;
  CHECK_EQ(backend->reconfigure(encoder, &config), 0);
  bitrate_of(encoder, &card, 100, FPS / 2);
  expect_near(bitrate_of(encoder, &card, 200, FPS), 400);
  config.bitrate_kbps = 1500;
  CHECK_EQ(backend->reconfigure(encoder, &config), 0);
  bitrate_of(encoder, &card, 300, FPS / 2);
  expect_near(bitrate_of(encoder, &card, 400, FPS), 1500);
  /* Twice as many pictures a second: half the bytes in each. */
  config.fps_mhz *= 2;
  CHECK_EQ(backend->reconfigure(encoder, &config), 0);
  bitrate_of(encoder, &card, 500, FPS);
  expect_near(bitrate_of(encoder, &card, 600, 2 * FPS), 750);
  card_free(&card);
  backend->close(encoder);
}

/* What a link must take at once, in frames' shares of the bitrate. OpenH264 has no VBV, and the double of NVIDIA's
 * driver encodes by OpenH264. */
static void no_access_unit_is_large(const encoder_backend *backend) {
  double shares_max = backend == &encoder_x264 ? 1.5 : 3;
  encoder_config config = config_of(WIDTH, HEIGHT);
  encoder *encoder = open_usable(backend, &config);
  card card = card_make(WIDTH, HEIGHT);
  double share = config.bitrate_kbps * 1000.0 / 8 / FPS;
  for (uint32_t i = 0; i < 4 * FPS; i++) {
    card_draw_noise(&card, i);
    double shares = (double)encode(encoder, &card, i % 40 == 39).bytes_count / share;
    if (shares > shares_max) fail_test(__FILE__, __LINE__, "picture %u takes %.1f frames' share", i, shares);
  }
  card_free(&card);
  backend->close(encoder);
}

/* ---- Every row --------------------------------------------------------------------------------- */

typedef struct parallel {
  const encoder_backend *backend;
  uint32_t width, height;
} parallel;

static void *encode_some(void *argument) {
  const parallel *parallel = argument;
  encoder_config config = config_of(parallel->width, parallel->height);
  encoder *encoder = open_usable(parallel->backend, &config);
  card card = card_make(parallel->width, parallel->height);
  decoder *decoder;
  CHECK_EQ(decoder_open(&decoder), 0);
  for (uint32_t i = 0; i < 8; i++) {
    card_draw(&card, i);
    access_unit unit = encode(encoder, &card, false);
    if (parallel->backend->kind != TELE_ENCODER_JPEG) expect_decoded(decoder, unit, &card);
  }
  decoder_close(decoder);
  card_free(&card);
  parallel->backend->close(encoder);
  return NULL;
}

static void two_at_once(const encoder_backend *backend) {
  parallel both[2] = {{backend, 1280, 720}, {backend, 176, 144}};
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) CHECK_EQ(pthread_create(&threads[i], NULL, encode_some, &both[i]), 0);
  for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* Again and again, up and down; the smallest work or are refused with their size, when it is opened. */
static void any_size(const encoder_backend *backend) {
  static const uint32_t sizes[][2] = {{2, 2}, {16, 16}, {2, 64}, {640, 360}, {34, 18}, {162, 2}, {320, 240}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    uint32_t width = sizes[i][0], height = sizes[i][1];
    encoder_config config = config_of(width, height);
    const encoder_probe *probe = encoder_probe_of(backend);
    if (probe->result < 0) skip_test("%s: %s", backend->name, probe->detail);
    encoder *encoder;
    if (backend->open(&config, &encoder) < 0) {
      char size[32];
      snprintf(size, sizeof size, "%u x %u", width, height);
      CHECK_MESSAGE(size);
      CHECK(width < 160 || height < 160);
      continue;
    }
    card card = card_make(width, height);
    for (uint32_t k = 0; k < 3; k++) encode(encoder, &card, false);
    backend->close(encoder);
    card_free(&card);
  }
}

static void what_does_not_fit_is_refused(const encoder_backend *backend) {
  encoder_config config = config_of(WIDTH, HEIGHT);
  encoder *encoder = open_usable(backend, &config);
  card right = card_make(WIDTH, HEIGHT), wrong = card_make(WIDTH, HEIGHT + 2);
  access_unit unit;
  CHECK_EQ(backend->encode(encoder, &wrong.picture, false, &unit), -EINVAL);
  CHECK_MESSAGE("320 x 242");
  config.width += 2;
  CHECK_EQ(backend->reconfigure(encoder, &config), -EINVAL);
  config = config_of(WIDTH, HEIGHT);
  config.bitrate_kbps = 0;
  CHECK_EQ(backend->reconfigure(encoder, &config), -EINVAL);
  CHECK(encode(encoder, &right, false).keyframe); /* still the first */
  card_free(&right);
  card_free(&wrong);
  backend->close(encoder);
  backend->close(NULL);
}

#define FOR_EVERY_ROW(DO, row)        \
  DO(row, two_at_once, "two at once") \
  DO(row, any_size, "any size")       \
  DO(row, what_does_not_fit_is_refused, "what does not fit is refused")

#define FOR_H264(DO, row)                                                 \
  DO(row, one_in_one_out, "one in, one out, in order, near what went in") \
  DO(row, large_pictures, "large pictures")                               \
  DO(row, even_sizes, "sizes that are no multiple of 16")                 \
  DO(row, access_units_are_whole, "access units and headers")             \
  DO(row, keyframes_on_request, "keyframes on request and no others")     \
  DO(row, the_bitrate_is_kept, "the bitrate is kept")                     \
  DO(row, no_access_unit_is_large, "no access unit is large")             \
  FOR_EVERY_ROW(DO, row)

#define DEFINE(row, check, text) \
  static void row##_##check(void) { check(&encoder_##row); }
#define LIST(row, check, text) {#row ": " text, row##_##check},

FOR_H264(DEFINE, nvenc)
FOR_H264(DEFINE, x264)
FOR_H264(DEFINE, openh264)
FOR_EVERY_ROW(DEFINE, jpeg)

static const test tests[] = {FOR_H264(LIST, nvenc) FOR_H264(LIST, x264) FOR_H264(LIST, openh264)
                                 FOR_EVERY_ROW(LIST, jpeg)};
SUITE(encoders, tests);
