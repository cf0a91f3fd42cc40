/* What watchdogs see: the same numbers for the same scene, encoded or not, and others as soon as something moves. */
#include <stdlib.h>

#include "card.h"
#include "harness.h"
#include "picture.h"
#include "reader.h"

#define WIDTH 640u
#define HEIGHT 360u
#define GOP 30u
#define GOPS_COUNT 4u
#define CAPACITY 64u
#define PAYLOAD_BYTES (WIDTH * HEIGHT * 4)

typedef struct world {
  tele_producer *producer;
  tele_reader *reader;
  tele_picture_stats stats;
} world;

static world open_world(uint64_t capacity) {
  return (world){.producer = open_producer(PAYLOAD_BYTES, capacity), .reader = open_reader()};
}

static void close_world(world *world) {
  tele_reader_close(world->reader);
  tele_producer_close(world->producer);
}

static int look(world *world, uint64_t after) {
  return tele_reader_picture_stats(world->reader, after, 0, &world->stats);
}

static int largest_difference(const tele_picture_stats *a, const tele_picture_stats *b) {
  int largest = 0;
  for (size_t i = 0; i < sizeof a->cells; i++) {
    int difference = abs(a->cells[i] - b->cells[i]);
    if (difference > largest) largest = difference;
  }
  return largest;
}

/* ---- Raw frames and JPEGs ---------------------------------------------------------------------- */

/* The left half black, the right half white, in full or in limited range. */
static void draw_halves(uint8_t *pixels, uint32_t format, uint32_t width, uint32_t height) {
  uint32_t pixel_bytes = format == TELE_FORMAT_RGB8 ? 3 : format <= TELE_FORMAT_BGRA8 ? 4 : 1;
  bool is_limited = format == TELE_FORMAT_NV12 || format == TELE_FORMAT_I420;
  memset(pixels, 128, PAYLOAD_BYTES);
  for (uint32_t y = 0; y < height; y++) {
    uint8_t *row = pixels + (size_t)y * picture_stride_min(format, width);
    size_t left_bytes = (size_t)(width / 2) * pixel_bytes;
    memset(row, is_limited ? 16 : 0, left_bytes);
    memset(row + left_bytes, is_limited ? 235 : 255, (size_t)width * pixel_bytes - left_bytes);
  }
}

static void expect_halves(const tele_picture_stats *stats, uint32_t tolerance) {
  CHECK(stats->luma_min <= tolerance && stats->luma_max >= 255 - tolerance);
  for (uint32_t row = 0; row < TELE_STATS_ROWS; row++) {
    const uint8_t *cells = stats->cells + row * TELE_STATS_COLUMNS;
    CHECK(cells[0] <= tolerance && cells[TELE_STATS_COLUMNS - 1] >= 255 - tolerance);
    if (stats->width < 2 * TELE_STATS_COLUMNS) continue; /* a cell there may be any of two pixels */
    CHECK(cells[TELE_STATS_COLUMNS / 2 - 2] <= tolerance && cells[TELE_STATS_COLUMNS / 2 + 1] >= 255 - tolerance);
  }
}

static void raw_frames_of_every_format_and_size(void) {
  static const uint32_t sizes[][2] = {{WIDTH, HEIGHT}, {641, 359}, {64, 36}, {7, 5}, {2, 1}};
  world world = open_world(4);
  uint8_t *pixels = malloc(PAYLOAD_BYTES);
  uint64_t frame = 0;
  for (uint32_t format = TELE_FORMAT_RGB8; format <= TELE_FORMAT_I420; format++) {
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      uint32_t width = sizes[i][0], height = sizes[i][1];
      draw_halves(pixels, format, width, height);
      tele_frame published = {.pixels = pixels, .width = width, .height = height, .format = format};
      CHECK_EQ(tele_producer_publish(world.producer, &published), 0);
      CHECK_EQ(look(&world, frame), 1);
      CHECK_EQ(world.stats.frame, ++frame);
      CHECK(world.stats.width == width && world.stats.height == height);
      expect_halves(&world.stats, 1);
    }
  }
  CHECK_EQ(look(&world, frame), 0);
  free(pixels);
  close_world(&world);
}

static void no_frame_is_no_picture(void) {
  world world = open_world(4);
  CHECK_EQ(look(&world, 0), 0);
  close_world(&world);
}

/* As a slot's header in front of the pixels, which is what tele_jpeg_encode() takes. */
static uint64_t jpeg_of_halves(uint8_t *jpeg, uint32_t width, uint32_t height) {
  uint8_t *frame = malloc(TELE_SLOT_HEADER_BYTES + PAYLOAD_BYTES);
  tele_slot_header header = {
      .width = width, .height = height, .format = TELE_FORMAT_GRAY8, .stride = width, .bytes = width * height};
  memcpy(frame, &header, sizeof header);
  draw_halves(frame + sizeof header, TELE_FORMAT_GRAY8, width, height);
  uint64_t jpeg_bytes;
  CHECK_EQ(tele_jpeg_encode(frame, sizeof header + PAYLOAD_BYTES, 90, jpeg, PAYLOAD_BYTES, &jpeg_bytes), 0);
  free(frame);
  return jpeg_bytes;
}

static void publish_jpeg(world *world, const uint8_t *jpeg, uint64_t jpeg_bytes) {
  tele_frame published = {
      .pixels = jpeg, .bytes = jpeg_bytes, .width = WIDTH, .height = HEIGHT, .format = TELE_FORMAT_JPEG};
  CHECK_EQ(tele_producer_publish(world->producer, &published), 0);
}

static void jpegs_are_looked_at_too(void) {
  static const uint32_t sizes[][2] = {{WIDTH, HEIGHT}, {129, 73}, {16, 9}};
  world world = open_world(4);
  uint8_t *jpeg = malloc(PAYLOAD_BYTES);
  for (uint64_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    publish_jpeg(&world, jpeg, jpeg_of_halves(jpeg, sizes[i][0], sizes[i][1]));
    CHECK_EQ(look(&world, i), 1);
    expect_halves(&world.stats, 8);
  }
  free(jpeg);
  close_world(&world);
}

static void a_damaged_jpeg_is_no_picture(void) {
  uint64_t seed = tele_clock_mono_ns() | 1, state = seed;
  fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
  world world = open_world(4);
  uint8_t *jpeg = malloc(PAYLOAD_BYTES), *damaged = malloc(PAYLOAD_BYTES);
  uint64_t jpeg_bytes = jpeg_of_halves(jpeg, WIDTH, HEIGHT), frame = 0;
  publish_jpeg(&world, jpeg, jpeg_bytes / 2);
  CHECK_EQ(look(&world, frame++), 0);
  for (int round = 0; round < 100; round++) {
    memcpy(damaged, jpeg, jpeg_bytes);
    for (int flips = 0; flips < 3; flips++) damaged[random_next(&state) % jpeg_bytes] ^= (uint8_t)random_next(&state);
    publish_jpeg(&world, damaged, jpeg_bytes);
    int result = look(&world, frame++);
    CHECK(result == 0 || result == 1);
  }
  /* 65500 x 65500 as its frame header says. */
  uint8_t *sizes = memmem(jpeg, jpeg_bytes, "\xff\xc0", 2);
  CHECK(sizes != NULL);
  memcpy(sizes + 5, "\xff\xdc\xff\xdc", 4);
  publish_jpeg(&world, jpeg, jpeg_bytes);
  CHECK_EQ(look(&world, frame), 0);
  free(jpeg);
  free(damaged);
  close_world(&world);
}

/* ---- H.264 ------------------------------------------------------------------------------------- */

/* A wall of bricks of many shades: much to encode, and nothing that moves. */
static void draw_wall(card *card) {
  card_draw(card, 0);
  for (uint32_t y = 0; y < HEIGHT; y++) {
    uint8_t *row = card->planes[0] + (size_t)y * (size_t)card->picture.strides[0];
    for (uint32_t x = 0; x < WIDTH; x++) {
      uint32_t brick = (x / 5 * 2654435761u ^ y / 3 * 2246822519u) >> 13;
      row[x] = (uint8_t)(row[x] + brick % 50);
    }
  }
}

static void draw_box(card *card, uint32_t left, uint32_t top, uint32_t side) {
  for (uint32_t y = top; y < top + side; y++) {
    memset(card->planes[0] + (size_t)y * (size_t)card->picture.strides[0] + left, 225, side);
  }
}

typedef struct recording {
  world world;
  card card;
  encoder *encoder;
} recording;

static recording start_recording(const encoder_backend *backend, uint64_t capacity) {
  recording made = {.world = open_world(capacity), .card = card_make(WIDTH, HEIGHT)};
  encoder_config config = {
      .width = WIDTH, .height = HEIGHT, .fps_mhz = 30000, .bitrate_kbps = encoder_default_kbps(WIDTH, HEIGHT, 30000)};
  CHECK_EQ(backend->open(&config, &made.encoder), 0);
  draw_wall(&made.card);
  return made;
}

static void end_recording(recording *recording) {
  recording->encoder->backend->close(recording->encoder);
  card_free(&recording->card);
  close_world(&recording->world);
}

static void record(recording *recording, uint32_t units_count, bool begins_gop) {
  for (uint32_t i = 0; i < units_count; i++) {
    access_unit unit;
    bool keyframe = begins_gop && i == 0;
    CHECK_EQ(recording->encoder->backend->encode(recording->encoder, &recording->card.picture, keyframe, &unit), 0);
    tele_frame published = {.pixels = unit.bytes,
                            .bytes = unit.bytes_count,
                            .width = WIDTH,
                            .height = HEIGHT,
                            .format = TELE_FORMAT_H264,
                            .flags = unit.keyframe ? TELE_FRAME_KEYFRAME : 0};
    CHECK_EQ(tele_producer_publish(recording->world.producer, &published), 0);
  }
}

static const encoder_backend *usable(size_t candidate) {
  const encoder_backend *backend = encoder_candidates[candidate];
  return backend->kind != TELE_ENCODER_JPEG && encoder_probe_of(backend)->result == 0 ? backend : NULL;
}

/* Each look is at another moment of its GOP, as it happens. */
static void a_scene_that_stands_still_looks_the_same(void) {
  for (size_t i = 0; i < encoder_candidates_count; i++) {
    if (usable(i) == NULL) continue;
    recording recording = start_recording(usable(i), CAPACITY);
    tele_picture_stats first = {.frame = 0};
    int largest = 0;
    record(&recording, GOP, true);
    for (uint32_t gop = 1; gop <= GOPS_COUNT; gop++) {
      record(&recording, 7 * gop, true);
      CHECK_EQ(look(&recording.world, first.frame), 1);
      CHECK(recording.world.stats.frame >= gop * GOP);
      if (gop == 1) first = recording.world.stats;
      int difference = largest_difference(&first, &recording.world.stats);
      if (difference > largest) largest = difference;
      record(&recording, GOP - 7 * gop, false);
    }
    fprintf(stderr, "# %s: up to %d between two GOPs of one scene\n", usable(i)->name, largest);
    CHECK(largest <= (int)TELE_STATS_NOISE_MAX);
    end_recording(&recording);
  }
}

/* Two pixels in a second, on a thing of 8 x 8: little of 640 x 360. */
static void what_moves_slowly_is_seen_to_move(void) {
  for (size_t i = 0; i < encoder_candidates_count; i++) {
    if (usable(i) == NULL) continue;
    recording recording = start_recording(usable(i), CAPACITY);
    tele_picture_stats first;
    for (uint32_t gop = 0; gop < GOPS_COUNT; gop++) {
      draw_wall(&recording.card);
      draw_box(&recording.card, 300 + 2 * gop, 200, 8);
      record(&recording, GOP, true);
      CHECK_EQ(look(&recording.world, 0), 1);
      if (gop == 0) first = recording.world.stats;
    }
    int difference = largest_difference(&first, &recording.world.stats);
    fprintf(stderr, "# %s: %d for a box that moved by 6 pixels\n", usable(i)->name, difference);
    CHECK(difference > (int)TELE_STATS_NOISE_MAX);
    end_recording(&recording);
  }
}

static void black_is_black_after_the_encoder(void) {
  for (size_t i = 0; i < encoder_candidates_count; i++) {
    if (usable(i) == NULL) continue;
    recording recording = start_recording(usable(i), CAPACITY);
    for (uint32_t y = 0; y < HEIGHT; y++) {
      memset(recording.card.planes[0] + (size_t)y * (size_t)recording.card.picture.strides[0], 16, WIDTH);
    }
    record(&recording, GOP, true);
    CHECK_EQ(look(&recording.world, 0), 1);
    CHECK(recording.world.stats.luma_max <= 4);
    end_recording(&recording);
  }
}

static uint32_t keyframe_requests(const world *world) {
  return atomic_load_explicit(&world->reader->segment->keyframe_requests, memory_order_relaxed);
}

static void the_producer_is_asked_only_when_told_to(void) {
  recording recording = start_recording(&encoder_openh264, CAPACITY);
  world *world = &recording.world;
  record(&recording, GOP, true);
  record(&recording, CAPACITY, false);
  CHECK_EQ(look(world, 0), 0);
  CHECK_EQ(keyframe_requests(world), 0);
  CHECK_EQ(tele_reader_picture_stats(world->reader, 0, 50, &world->stats), 0);
  CHECK_EQ(keyframe_requests(world), 1);
  end_recording(&recording);
}

/* Such a ring never holds the units in which a picture settles. */
static void of_a_small_ring_what_there_is_must_do(void) {
  recording recording = start_recording(&encoder_openh264, 8);
  world *world = &recording.world;
  record(&recording, 6, true);
  CHECK_EQ(look(world, 0), 0);
  CHECK_EQ(tele_reader_picture_stats(world->reader, 0, 50, &world->stats), 1);
  CHECK_EQ(world->stats.frame, 6);
  CHECK_EQ(keyframe_requests(world), 0);
  end_recording(&recording);
}

static void damaged_units_are_no_picture(void) {
  world world = open_world(CAPACITY);
  uint8_t bytes[256] = {0, 0, 0, 1, 0x65, 0x88};
  for (uint32_t i = 0; i < GOP; i++) {
    tele_frame published = {.pixels = bytes,
                            .bytes = sizeof bytes,
                            .width = WIDTH,
                            .height = HEIGHT,
                            .format = TELE_FORMAT_H264,
                            .flags = TELE_FRAME_KEYFRAME};
    CHECK_EQ(tele_producer_publish(world.producer, &published), 0);
  }
  CHECK_EQ(look(&world, 0), 0);
  close_world(&world);
}

static const test tests[] = {
    {"raw frames of every format and size", raw_frames_of_every_format_and_size},
    {"no frame is no picture", no_frame_is_no_picture},
    {"JPEGs are looked at too", jpegs_are_looked_at_too},
    {"a damaged JPEG is no picture", a_damaged_jpeg_is_no_picture},
    {"a scene that stands still looks the same", a_scene_that_stands_still_looks_the_same},
    {"what moves slowly is seen to move", what_moves_slowly_is_seen_to_move},
    {"black is black after the encoder", black_is_black_after_the_encoder},
    {"the producer is asked only when told to", the_producer_is_asked_only_when_told_to},
    {"of a small ring what there is must do", of_a_small_ring_what_there_is_must_do},
    {"damaged units are no picture", damaged_units_are_no_picture},
};
SUITE(picture_stats, tests);
