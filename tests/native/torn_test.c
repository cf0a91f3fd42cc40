/* One process writes at full speed, four read: no frame is accepted with bytes of two. */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "reader.h"

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
typedef struct reading {
  gate *start;
  bool in_place;
} reading;

static void read_frames(void *argument) {
  const reading *part = argument;
  gate *start = part->start;
  static uint8_t buffer[TELE_SLOT_HEADER_BYTES + WIDTH * HEIGHT * 4];
  gate_pass(&start[0]);
  tele_reader *reader = open_reader();
  gate_open(&start[1]);
  uint64_t after = 0, frames = 0, bytes;
  while (after < FRAMES) {
    int result;
    if (part->in_place) {
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
  for (int i = 0; i < READERS; i++) {
    reading part = {.start = gates, .in_place = i % 2 == 0};
    pids[i] = start_child(read_frames, &part);
  }
  for (int i = 0; i <= READERS; i++) expect_child_done(pids[i]);
}

/* While the payload is copied, seq says so: the copy is stopped at a page that is not there yet. */
#define PAGE_BYTES 4096u
static uint8_t *absent_page;
static segment *watched_segment;
static uint64_t seq_amid_copy;

static void look_at_seq(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info, (void)context;
  slot *second = segment_slot(watched_segment, watched_segment->slot_bytes, 1);
  seq_amid_copy = atomic_load(&second->words[0]);
  mprotect(absent_page, PAGE_BYTES, PROT_READ);
}

static void seq_is_odd_while_a_frame_is_written(void) {
  uint8_t *pixels = mmap(NULL, 2 * PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pixels != MAP_FAILED);
  absent_page = pixels + PAGE_BYTES;
  tele_producer *producer = open_producer(2 * PAGE_BYTES, 2);
  tele_reader *reader = open_reader();
  watched_segment = reader->segment;
  struct sigaction action = {.sa_sigaction = look_at_seq, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
  tele_frame frame = {.pixels = pixels, .width = PAGE_BYTES, .height = 2, .format = TELE_FORMAT_GRAY8};
  for (uint64_t n = 1; n <= 4; n++) {
    CHECK(mprotect(absent_page, PAGE_BYTES, n == 4 ? PROT_NONE : PROT_READ) == 0);
    CHECK_EQ(tele_producer_publish(producer, &frame), 0);
  }
  CHECK_EQ(seq_amid_copy, 7);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

/* A read in place that the writer came into counts for nothing. */
static void a_slot_that_is_written_meanwhile_is_refused(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  publish_value(producer, 1);
  tele_slot_header header;
  const void *payload;
  CHECK_EQ(tele_reader_begin(reader, 0, TELE_READ_NEWEST, &header, &payload), 1);
  CHECK_EQ(tele_reader_end(reader, &header), 1);
  slot *first = segment_slot(reader->segment, reader->slot_bytes, 0);
  atomic_store(&first->words[0], 9); /* frame 5 is being written */
  CHECK_EQ(tele_reader_end(reader, &header), 0);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static const test tests[] = {
    {"none is torn", none_is_torn},
    {"seq is odd while a frame is written", seq_is_odd_while_a_frame_is_written},
    {"a slot that is written meanwhile is refused", a_slot_that_is_written_meanwhile_is_refused},
};
SUITE(torn, tests);
