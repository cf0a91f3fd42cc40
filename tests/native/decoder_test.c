/* The decoder of producers' H.264: what it takes, and that nothing hurts it. The streams come from OpenH264's encoder.
 */
#include <stdlib.h>

#include "card.h"
#include "decoder.h"
#include "harness.h"

#define UNITS_COUNT 12
/* Every fourth unit is a keyframe. */
#define GOP 4

typedef struct stream {
  card card;
  uint8_t *bytes[UNITS_COUNT];
  size_t bytes_count[UNITS_COUNT];
} stream;

static stream make_stream(uint32_t width, uint32_t height) {
  stream made = {.card = card_make(width, height)};
  encoder_config config = {.width = width, .height = height, .fps_mhz = 30000, .bitrate_kbps = 800, .quality = 80};
  encoder *encoder;
  CHECK_EQ(encoder_openh264.open(&config, &encoder), 0);
  for (uint32_t i = 0; i < UNITS_COUNT; i++) {
    access_unit unit;
    card_draw(&made.card, i);
    CHECK_EQ(encoder_openh264.encode(encoder, &made.card.picture, i % GOP == 0, &unit), 0);
    made.bytes[i] = malloc(unit.bytes_count);
    made.bytes_count[i] = unit.bytes_count;
    memcpy(made.bytes[i], unit.bytes, unit.bytes_count);
  }
  encoder_openh264.close(encoder);
  return made;
}

static void free_stream(stream *stream) {
  card_free(&stream->card);
  for (int i = 0; i < UNITS_COUNT; i++) free(stream->bytes[i]);
}

/* Units from `first` on come out at once, and as what went in. */
static void expect_pictures(decoder *decoder, stream *stream, uint32_t first) {
  for (uint32_t i = first; i < UNITS_COUNT; i++) {
    encoder_picture picture;
    CHECK_EQ(decoder_run(decoder, stream->bytes[i], stream->bytes_count[i], &picture), 1);
    card_draw(&stream->card, i);
    CHECK(card_psnr(&stream->card.picture, &picture) > 30);
  }
}

static void a_stream_comes_back(void) {
  stream stream = make_stream(128, 96);
  decoder *decoder;
  CHECK_EQ(decoder_open(&decoder), 0);
  expect_pictures(decoder, &stream, 0);
  decoder_close(decoder);
  decoder_close(NULL);
  free_stream(&stream);
}

static void the_size_may_change(void) {
  stream small = make_stream(64, 48), large = make_stream(176, 130);
  decoder *decoder;
  CHECK_EQ(decoder_open(&decoder), 0);
  expect_pictures(decoder, &small, 0);
  expect_pictures(decoder, &large, 0);
  expect_pictures(decoder, &small, 0);
  decoder_close(decoder);
  free_stream(&small);
  free_stream(&large);
}

static void nothing_comes_before_a_keyframe(void) {
  stream stream = make_stream(64, 48);
  encoder_picture picture;
  decoder *decoder;
  CHECK_EQ(decoder_open(&decoder), 0);
  CHECK_EQ(decoder_run(decoder, stream.bytes[0], 0, &picture), 0);
  for (int i = 1; i < GOP; i++) {
    CHECK_EQ(decoder_run(decoder, stream.bytes[i], stream.bytes_count[i], &picture), 0);
  }
  expect_pictures(decoder, &stream, GOP);
  decoder_close(decoder);
  free_stream(&stream);
}

/* One unit of the chain is missing: what refers to it would be a wrong picture. */
static void nothing_comes_after_a_gap(void) {
  stream stream = make_stream(64, 48);
  encoder_picture picture;
  decoder *decoder;
  CHECK_EQ(decoder_open(&decoder), 0);
  CHECK_EQ(decoder_run(decoder, stream.bytes[0], stream.bytes_count[0], &picture), 1);
  CHECK_EQ(decoder_run(decoder, stream.bytes[2], stream.bytes_count[2], &picture), 0);
  expect_pictures(decoder, &stream, GOP);
  decoder_close(decoder);
  free_stream(&stream);
}

/* In a buffer of its own length, so that a read behind it is a report. */
static int run_copy(decoder *decoder, const uint8_t *bytes, size_t bytes_count) {
  uint8_t *copy = malloc(bytes_count);
  memcpy(copy, bytes, bytes_count);
  encoder_picture picture;
  int result = decoder_run(decoder, copy, bytes_count, &picture);
  free(copy);
  if (result != 1) return result;
  /* Every pixel that is promised is there. */
  for (int plane = 0; plane < 3; plane++) {
    for (uint32_t y = 0; y < picture.height / (plane == 0 ? 1 : 2); y++) {
      volatile uint8_t last =
          picture.planes[plane][(size_t)y * (size_t)picture.strides[plane] + picture.width / (plane == 0 ? 1 : 2) - 1];
      (void)last;
    }
  }
  return result;
}

static void hostile_bytes_do_no_harm(void) {
  uint64_t seed = tele_clock_mono_ns() | 1, state = seed;
  fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
  stream stream = make_stream(64, 48);
  decoder *decoder;
  CHECK_EQ(decoder_open(&decoder), 0);
  for (int round = 0; round < 300; round++) {
    uint32_t which = (uint32_t)(random_next(&state) % UNITS_COUNT);
    size_t bytes_count = stream.bytes_count[which];
    uint8_t damaged[8192];
    CHECK(bytes_count <= sizeof damaged);
    memcpy(damaged, stream.bytes[which], bytes_count);
    switch (round % 3) {
      case 0: bytes_count = 1 + random_next(&state) % bytes_count; break;
      case 1:
        for (int flips = 0; flips < 4; flips++) {
          damaged[random_next(&state) % bytes_count] ^= (uint8_t)(1u << random_next(&state) % 8);
        }
        break;
      default:
        for (size_t i = 5; i < bytes_count; i++) damaged[i] = (uint8_t)random_next(&state);
    }
    int result = run_copy(decoder, damaged, bytes_count);
    CHECK(result == 0 || result == 1 || result == -ENOMEM);
  }
  decoder_close(decoder);
  free_stream(&stream);
}

/* After damage a keyframe is enough. */
static void a_keyframe_repairs(void) {
  stream stream = make_stream(64, 48);
  decoder *decoder;
  CHECK_EQ(decoder_open(&decoder), 0);
  for (size_t cut = 1; cut < stream.bytes_count[0]; cut += 7) run_copy(decoder, stream.bytes[0], cut);
  for (size_t i = 0; i < stream.bytes_count[1]; i++) {
    stream.bytes[1][i] ^= 0x40;
    run_copy(decoder, stream.bytes[1], stream.bytes_count[1]);
  }
  expect_pictures(decoder, &stream, GOP);
  decoder_close(decoder);
  free_stream(&stream);
}

static const test tests[] = {
    {"a stream comes back", a_stream_comes_back},
    {"the size may change", the_size_may_change},
    {"nothing comes before a keyframe", nothing_comes_before_a_keyframe},
    {"nothing comes after a gap", nothing_comes_after_a_gap},
    {"hostile bytes do no harm", hostile_bytes_do_no_harm},
    {"a keyframe repairs", a_keyframe_repairs},
};
SUITE(decoding, tests);
