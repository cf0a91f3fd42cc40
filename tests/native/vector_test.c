/* docs/ring.md shows bytes; a producer in another language is written by them. Here they are held against ours. */
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

/* The run that docs/ring.md describes in words above the bytes. */
static tele_producer *publish_what_the_document_says(void) {
  tele_producer *producer = open_producer(64, 2);
  uint8_t pixels[12];
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(0x10 + i);
  const uint8_t overlay[2] = {0x00, 0xff};
  tele_frame frame = {.pixels = pixels,
                      .width = 2,
                      .height = 2,
                      .format = TELE_FORMAT_RGB8,
                      .step = 7,
                      .episode = 3,
                      .reward = -0.5,
                      .t_mono_ns = UINT64_C(1000000000),
                      .t_real_ns = UINT64_C(1700000000000000000),
                      .overlay = overlay,
                      .overlay_width = 2,
                      .overlay_height = 1};
  CHECK_EQ(tele_producer_publish(producer, &frame), 0);
  tele_hud hud = {.last_reward = -0.5,
                  .avg_reward_1s = 0.25,
                  .step_rate_hz = 60,
                  .episode = 3,
                  .step = 7,
                  .episode_return = 12.5,
                  .loss = 0.125};
  CHECK_EQ(tele_producer_set_hud(producer, &hud), 0);
  return producer;
}

/* Compares one line, "OFFSET  BYTE BYTE ...  | words", with the file. Returns the number of bytes in it. */
static size_t check_line(FILE *segment, const char *line) {
  char *at;
  unsigned long offset = strtoul(line, &at, 10);
  size_t count = 0;
  CHECK(fseek(segment, (long)offset, SEEK_SET) == 0);
  for (; *at != '\0' && *at != '|' && *at != '\n'; count++) {
    char *end;
    unsigned long expected = strtoul(at, &end, 16);
    if (end == at) break;
    int found = fgetc(segment);
    if (found != (int)expected) {
      fail_test(__FILE__, __LINE__, "byte %lu is %02x, docs/ring.md has %02lx", offset + count, (unsigned)found,
                expected);
    }
    at = end;
  }
  return count;
}

static void the_documents_bytes_are_ours(void) {
  FILE *document = fopen(RING_DOCUMENT, "r");
  if (document == NULL) fail_test(__FILE__, __LINE__, "cannot open %s: %s", RING_DOCUMENT, strerror(errno));
  tele_producer *producer = publish_what_the_document_says();
  FILE *segment = fopen(test_segment_path(), "r");
  CHECK(segment != NULL);
  char line[256];
  bool inside = false;
  size_t bytes = 0;
  while (fgets(line, sizeof line, document) != NULL) {
    if (strncmp(line, "```", 3) == 0) {
      inside = strcmp(line, "```bytes\n") == 0;
    } else if (inside) {
      bytes += check_line(segment, line);
    }
  }
  CHECK(bytes > 200);
  tele_producer_close(producer);
  fclose(segment);
  fclose(document);
}

static const test tests[] = {{"the document's bytes are ours", the_documents_bytes_are_ours}};
SUITE(vector, tests);
