/*
 * Streams under ThreadSanitizer: what other threads call while theirs runs. The run publishes JPEGs, which no library
 * looks into, and its ring is so large that no slot is written twice: TSan does not see what the seqlock does.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

#define EVENT_MS_MAX 10000u
#define FRAMES 2000u
#define PAYLOAD_BYTES 64u
#define ROUNDS 200u

static const tele_stream_settings JPEG = {.outputs = TELE_OUTPUT_JPEG};

typedef struct shared {
  tele_producer *producer;
  tele_reader *reader;
  tele_controller *controller;
  tele_hub *hub;
  tele_stream *stream;
  atomic_bool stop;
} shared;

static void open_shared(shared *shared) {
  shared->producer = open_producer(PAYLOAD_BYTES, FRAMES + 1);
  shared->reader = open_reader();
  CHECK_EQ(tele_controller_open(shared->reader, &shared->controller), 0);
  CHECK_EQ(tele_hub_create(&shared->hub), 0);
  atomic_init(&shared->stop, false);
}

static void close_shared(shared *shared) {
  tele_hub_destroy(shared->hub);
  tele_controller_close(shared->controller);
  tele_reader_close(shared->reader);
  tele_producer_close(shared->producer);
}

static pthread_t start_thread(void *(*body)(void *), shared *shared) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, body, shared) == 0);
  return thread;
}

static void join(pthread_t thread) { CHECK(pthread_join(thread, NULL) == 0); }

static void *publish_all(void *argument) {
  shared *shared = argument;
  uint8_t bytes[PAYLOAD_BYTES];
  for (uint32_t frame = 1; frame <= FRAMES; frame++) {
    memset(bytes, (int)frame, sizeof bytes);
    tele_frame published = {
        .pixels = bytes, .bytes = sizeof bytes, .width = 8, .height = 8, .format = TELE_FORMAT_JPEG};
    CHECK_EQ(tele_producer_publish(shared->producer, &published), 0);
    usleep(50);
  }
  return NULL;
}

/* Settings, keyframes and status, as several parts of a server ask for them. */
static void *meddle(void *argument) {
  shared *shared = argument;
  for (uint32_t round = 0; !atomic_load(&shared->stop); round++) {
    tele_stream_settings settings = JPEG;
    if (round % 3 == 0) settings.outputs = 0;
    settings.interval_min_ns = round % 5 * 100000;
    CHECK_EQ(tele_stream_set(shared->stream, &settings), 0);
    CHECK_EQ(tele_stream_request_keyframe(shared->stream, TELE_OUTPUT_JPEG), 0);
    tele_stream_status status;
    CHECK_EQ(tele_stream_status_get(shared->stream, &status), 0);
    CHECK(status.last_frame <= FRAMES);
    usleep(100);
  }
  CHECK_EQ(tele_stream_set(shared->stream, &JPEG), 0);
  return NULL;
}

/* Takes what the hub tells of, up to the last frame. */
static void *take_all(void *argument) {
  shared *shared = argument;
  uint8_t packet[512];
  for (uint64_t last = 0; last < FRAMES;) {
    tele_hub_event event;
    CHECK_EQ(tele_hub_next(shared->hub, EVENT_MS_MAX, &event, 1), 1);
    CHECK_EQ(event.kind, TELE_HUB_PACKET);
    uint64_t bytes;
    while (tele_stream_take(shared->stream, packet, sizeof packet, &bytes) == 1) {
      tele_slot_header header;
      memcpy(&header, packet, sizeof header);
      CHECK(header.frame >= last);
      last = header.frame;
      for (size_t i = 0; i < PAYLOAD_BYTES; i++) CHECK_EQ(packet[sizeof header + i], last & 0xff);
    }
  }
  return NULL;
}

static void taken_set_and_asked_from_three_threads(void) {
  shared shared;
  open_shared(&shared);
  CHECK_EQ(tele_stream_open(shared.hub, 1, shared.reader, shared.controller, &JPEG, &shared.stream), 0);
  pthread_t publishing = start_thread(publish_all, &shared), meddling = start_thread(meddle, &shared),
            taking = start_thread(take_all, &shared);
  join(publishing);
  atomic_store(&shared.stop, true);
  join(meddling);
  join(taking);
  tele_stream_close(shared.stream);
  close_shared(&shared);
}

static void *wait_until_stopped(void *argument) {
  shared *shared = argument;
  while (!atomic_load(&shared->stop)) {
    tele_hub_event events[4];
    CHECK(tele_hub_next(shared->hub, EVENT_MS_MAX, events, 4) >= 0);
  }
  return NULL;
}

/* Its reader is closed right behind it. */
static void closed_while_the_hub_waits(void) {
  shared shared;
  open_shared(&shared);
  pthread_t publishing = start_thread(publish_all, &shared), waiting = start_thread(wait_until_stopped, &shared);
  for (uint64_t round = 0; round < ROUNDS; round++) {
    tele_reader *reader = open_reader();
    tele_stream *stream;
    CHECK_EQ(tele_stream_open(shared.hub, round, reader, NULL, &JPEG, &stream), 0);
    if (round % 3 != 0) usleep((unsigned)round);
    tele_stream_close(stream);
    tele_reader_close(reader);
  }
  atomic_store(&shared.stop, true);
  CHECK_EQ(tele_hub_wake(shared.hub), 0);
  join(waiting);
  join(publishing);
  close_shared(&shared);
}

static const test tests[] = {
    {"taken, set and asked from three threads", taken_set_and_asked_from_three_threads},
    {"closed while the hub waits", closed_while_the_hub_waits},
};
SUITE(threads_streams, tests);
