/*
 * What several threads of one process do at the same time: the hub, the input ring, the control words, the numbers.
 * This suite runs under ThreadSanitizer too. It reads no payloads: TSan sees neither fences nor other processes, so
 * that the seqlock is shown by the torn suite, in processes.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "segment.h"

#define EVENT_MS_MAX 10000u

static pthread_t start_thread(void *(*body)(void *), void *argument) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, body, argument) == 0);
  return thread;
}

static void join(pthread_t thread) { CHECK(pthread_join(thread, NULL) == 0); }

typedef struct world {
  tele_producer *producer;
  tele_reader *reader;
  tele_controller *controller;
  tele_hub *hub;
  atomic_bool stop;
  atomic_uint_fast64_t seen;
} world;

static void open_world(world *world) {
  world->producer = open_producer(200, 4);
  world->reader = open_reader();
  CHECK_EQ(tele_controller_open(world->reader, &world->controller), 0);
  CHECK_EQ(tele_hub_create(&world->hub), 0);
  atomic_init(&world->stop, false);
  atomic_init(&world->seen, 0);
}

static void close_world(world *world) {
  tele_hub_destroy(world->hub);
  tele_controller_close(world->controller);
  tele_reader_close(world->reader);
  tele_producer_close(world->producer);
}

/* ---- Hub: waited on, armed and fed by three threads -------------------------------------------- */

#define PING_PONGS 5000u

static void *publish_after_seen(void *argument) {
  world *world = argument;
  for (uint64_t frame = 1; frame <= PING_PONGS; frame++) {
    while (atomic_load(&world->seen) < frame - 1) sched_yield();
    publish_value(world->producer, frame);
  }
  return NULL;
}

static void *wait_for_frames(void *argument) {
  world *world = argument;
  for (uint64_t frame = 1; frame <= PING_PONGS;) {
    tele_hub_event event;
    CHECK(tele_hub_next(world->hub, EVENT_MS_MAX, &event, 1) == 1 && event.kind == TELE_HUB_FRAME);
    CHECK_EQ(event.head, frame);
    atomic_store(&world->seen, frame++);
  }
  return NULL;
}

static void armed_from_another_thread(void) {
  world world;
  open_world(&world);
  CHECK_EQ(tele_hub_add(world.hub, 1, world.reader, world.controller), 0);
  pthread_t waiting = start_thread(wait_for_frames, &world), publishing = start_thread(publish_after_seen, &world);
  for (uint64_t frame = 1; frame <= PING_PONGS; frame++) {
    CHECK_EQ(tele_hub_arm(world.hub, 1, frame - 1, 0), 0);
    while (atomic_load(&world.seen) < frame) sched_yield();
  }
  join(publishing);
  join(waiting);
  close_world(&world);
}

/* ---- Hub: streams come and go while it waits ---------------------------------------------------- */

static void *wait_until_stopped(void *argument) {
  world *world = argument;
  while (!atomic_load(&world->stop)) {
    tele_hub_event events[4];
    CHECK(tele_hub_next(world->hub, EVENT_MS_MAX, events, 4) >= 0);
  }
  return NULL;
}

static void *publish_until_stopped(void *argument) {
  world *world = argument;
  for (uint64_t frame = 1; !atomic_load(&world->stop); frame++) {
    publish_value(world->producer, frame);
    usleep(50);
  }
  return NULL;
}

/* After tele_hub_remove() the reader is closed at once: the hub must not touch it any more. */
static void removed_while_waiting(void) {
  world world;
  open_world(&world);
  pthread_t waiting = start_thread(wait_until_stopped, &world),
            publishing = start_thread(publish_until_stopped, &world);
  for (uint64_t round = 0; round < 2000; round++) {
    bool controlled = round % 2 == 0;
    tele_reader *reader = open_reader();
    CHECK_EQ(tele_hub_add(world.hub, round, reader, controlled ? world.controller : NULL), 0);
    CHECK_EQ(tele_hub_arm(world.hub, round, 0, 0), 0);
    if (round % 3 == 0) CHECK_EQ(tele_hub_disarm(world.hub, round), 0);
    if (round % 5 == 0) usleep(200);
    CHECK_EQ(tele_hub_remove(world.hub, round), 0);
    tele_reader_close(reader);
  }
  atomic_store(&world.stop, true);
  CHECK_EQ(tele_hub_wake(world.hub), 0);
  join(waiting);
  join(publishing);
  close_world(&world);
}

/* ---- Input ring ------------------------------------------------------------------------------- */

#define INPUTS 100000u

static void *send_inputs(void *argument) {
  world *world = argument;
  for (uint32_t code = 0; code < INPUTS;) {
    tele_input events[3];
    uint32_t count = INPUTS - code < 3 ? INPUTS - code : 3;
    for (uint32_t i = 0; i < count; i++)
      events[i] = (tele_input){.kind = TELE_INPUT_KEY, .code = code + i, .t_ns = code + i + 1};
    int written = tele_controller_send_inputs(world->controller, events, count);
    CHECK(written >= 0);
    code += (uint32_t)written;
    if (written == 0) sched_yield();
  }
  return NULL;
}

static void inputs_come_in_order(void) {
  world world;
  open_world(&world);
  pthread_t sending = start_thread(send_inputs, &world);
  for (uint32_t code = 0; code < INPUTS;) {
    tele_input event;
    if (tele_producer_next_input(world.producer, &event) == 0) {
      sched_yield();
    } else if (event.kind != TELE_INPUT_RELEASE_ALL) { /* those come where the ring was full for a moment */
      CHECK_EQ(event.code, code);
      CHECK_EQ(event.t_ns, code + 1);
      code++;
    }
  }
  join(sending);
  close_world(&world);
}

/* ---- Control words and numbers ------------------------------------------------------------------ */

static void *control(void *argument) {
  world *world = argument;
  for (uint32_t round = 0; !atomic_load(&world->stop); round++) {
    CHECK_EQ(tele_controller_renew(world->controller), 0);
    CHECK_EQ(tele_controller_set_pause(world->controller, round % 2), 0);
    CHECK_EQ(tele_controller_set_rate_max(world->controller, round), 0);
    CHECK_EQ(tele_controller_set_sampled(world->controller, round, round), 0);
    CHECK_EQ(tele_reader_request_keyframe(world->reader), 0);
  }
  CHECK_EQ(tele_controller_set_pause(world->controller, 0), 0);
  return NULL;
}

static void *read_numbers(void *argument) {
  world *world = argument;
  uint64_t steps = 0;
  while (!atomic_load(&world->stop)) {
    tele_hud hud;
    tele_status status;
    if (tele_reader_hud(world->reader, &hud) == 1) {
      CHECK(hud.episode == ~hud.step && hud.step >= steps);
      steps = hud.step;
    }
    CHECK_EQ(tele_reader_status(world->reader, &status), 0);
  }
  return NULL;
}

static void words_and_numbers_are_whole(void) {
  world world;
  open_world(&world);
  pthread_t controlling = start_thread(control, &world), reading = start_thread(read_numbers, &world);
  for (uint64_t step = 1; step <= 20000; step++) {
    tele_hud hud = {.step = step, .episode = ~step};
    tele_controls controls;
    CHECK_EQ(tele_producer_set_hud(world.producer, &hud), 0);
    tele_producer_controls(world.producer, &controls);
    CHECK(controls.controller_alive == 1 && controls.pause_requested <= 1);
    tele_producer_wants_frame(world.producer);
    if (step % 100 == 0) tele_producer_gate(world.producer, 1);
  }
  atomic_store(&world.stop, true);
  join(controlling);
  join(reading);
  CHECK_EQ(tele_producer_gate(world.producer, 0), 1);
  close_world(&world);
}

static const test tests[] = {
    {"armed from another thread", armed_from_another_thread},
    {"removed while waiting", removed_while_waiting},
    {"inputs come in order", inputs_come_in_order},
    {"words and numbers are whole", words_and_numbers_are_whole},
};
SUITE(threads, tests);
