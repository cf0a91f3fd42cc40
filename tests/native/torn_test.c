/* One process writes at full speed, four read: no frame is accepted with bytes of two. */
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

#define FRAMES 60000u
#define READERS 4
#define WIDTH 64u
#define HEIGHT 33u

/* Every byte of the frame follows from its number, and the number is in the fields too. */
static void paint(uint8_t *pixels, size_t bytes, uint64_t number) {
  uint64_t state = number * UINT64_C(0x9E3779B97F4A7C15) + 1;
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    uint64_t word = random_next(&state);
    memcpy(pixels + i, &word, 8);
  }
}

static void write_frames(void *argument) {
  gate *start = argument;
  static uint8_t pixels[WIDTH * HEIGHT * 4];
  tele_producer *producer = open_producer(sizeof pixels, 4);
  for (int i = 0; i < READERS; i++) gate_open(&start[0]);
  for (int i = 0; i < READERS; i++) gate_pass(&start[1]);
  for (uint64_t number = 1; number <= FRAMES; number++) {
    paint(pixels, sizeof pixels, number);
    tele_frame frame = {.pixels = pixels,
                        .width = WIDTH,
                        .height = HEIGHT,
                        .format = TELE_FORMAT_RGBA8,
                        .step = number,
                        .episode = ~number,
                        .reward = (double)number};
    CHECK_EQ(tele_producer_publish(producer, &frame), 0);
    tele_hud hud = {.step = number, .episode = ~number, .last_reward = (double)number};
    CHECK_EQ(tele_producer_set_hud(producer, &hud), 0);
  }
  for (int i = 0; i < READERS; i++) gate_pass(&start[1]);
  tele_producer_close(producer);
}

static void check_frame(const uint8_t *buffer) {
  static uint8_t expected[WIDTH * HEIGHT * 4];
  const tele_slot_header *header = (const void *)buffer;
  CHECK(header->step == header->frame && header->episode == ~header->frame);
  CHECK(header->reward == (double)header->frame);
  paint(expected, sizeof expected, header->frame);
  CHECK(memcmp(buffer + TELE_SLOT_HEADER_BYTES, expected, sizeof expected) == 0);
}

/* Half of the readers copy, half read in place. */
static void read_frames(void *argument) {
  gate *start = argument;
  static uint8_t buffer[TELE_SLOT_HEADER_BYTES + WIDTH * HEIGHT * 4];
  gate_pass(&start[0]);
  tele_reader *reader = open_reader();
  gate_open(&start[1]);
  bool in_place = getpid() % 2 == 0;
  uint64_t after = 0, frames = 0, bytes;
  while (after < FRAMES) {
    int result;
    if (in_place) {
      tele_slot_header header;
      const void *payload;
      result = tele_reader_begin(reader, after, TELE_READ_NEWEST, &header, &payload);
      if (result == 1) {
        memcpy(buffer, &header, sizeof header);
        memcpy(buffer + sizeof header, payload, header.bytes);
        result = tele_reader_end(reader, &header);
      }
    } else {
      result = tele_reader_read(reader, after, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes);
    }
    CHECK(result >= 0);
    if (result == 1) {
      check_frame(buffer);
      after = ((const tele_slot_header *)(const void *)buffer)->frame;
      frames++;
    }
    tele_hud hud;
    if (tele_reader_hud(reader, &hud) == 1) CHECK(hud.episode == ~hud.step && hud.last_reward == (double)hud.step);
  }
  CHECK(frames > 0);
  gate_open(&start[1]);
  tele_reader_close(reader);
}

static void none_is_torn(void) {
  gate gates[2] = {gate_make(), gate_make()};
  pid_t pids[READERS + 1];
  pids[READERS] = start_child(write_frames, gates);
  for (int i = 0; i < READERS; i++) pids[i] = start_child(read_frames, gates);
  for (int i = 0; i <= READERS; i++) expect_child_done(pids[i]);
}

static const test tests[] = {{"none is torn", none_is_torn}};
SUITE(torn, tests);
