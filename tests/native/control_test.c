/* The controller's words, its lease, and the input ring. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "segment.h"

static tele_controller *open_controller(tele_reader *reader) {
  tele_controller *controller;
  CHECK_EQ(tele_controller_open(reader, &controller), 0);
  return controller;
}

static tele_input key_event(uint32_t code) { return (tele_input){.kind = TELE_INPUT_KEY, .code = code, .buttons = 1}; }

typedef struct steering {
  gate ready;
  gate go_on;
} steering;

/* Asks for everything that a controller can ask for, and is killed then. */
static void steer(void *argument) {
  steering *channel = argument;
  tele_reader *reader = open_reader();
  tele_controller *controller = open_controller(reader);
  tele_hub *hub;
  tele_hub_event event;
  CHECK_EQ(tele_hub_create(&hub), 0);
  CHECK_EQ(tele_hub_add(hub, 1, reader, controller), 0);
  CHECK_EQ(tele_controller_set_pause(controller, 1), 0);
  CHECK_EQ(tele_controller_set_rate_max(controller, 1), 0);
  CHECK_EQ(tele_hub_arm(hub, 1, 1000, 0), 0);
  CHECK_EQ(tele_hub_next(hub, 10, &event, 1), 0); /* sets notify_wanted */
  gate_open(&channel->ready);
  for (;;) tele_hub_next(hub, 1000, &event, 1);
}

static void a_killed_controller_lets_go_within_its_lease(void) {
  steering channel = {.ready = gate_make()};
  tele_producer *producer = open_producer(200, 4);
  pid_t pid = start_child(steer, &channel);
  gate_pass(&channel.ready);
  tele_controls controls;
  tele_producer_controls(producer, &controls);
  CHECK(controls.controller_alive == 1 && controls.pause_requested == 1 && controls.rate_max_mhz == 1);
  publish_value(producer, 1);                      /* with a datagram */
  CHECK_EQ(tele_producer_gate(producer, 3000), 0); /* longer than a lease: it is renewed while the controller lives */
  tele_reader *reader = open_reader();
  tele_status status;
  CHECK_EQ(tele_reader_status(reader, &status), 0);
  CHECK((status.flags & TELE_FLAG_PAUSED) != 0);
  kill_child(pid);
  uint64_t killed_ns = tele_clock_mono_ns();
  publish_value(producer, 2); /* notify is still wanted: nobody takes it, nothing happens */
  CHECK_EQ(tele_producer_gate(producer, 5000), 1);
  CHECK(tele_clock_mono_ns() - killed_ns <= LEASE_NS + 20 * NS_PER_MS);
  tele_producer_controls(producer, &controls);
  CHECK(controls.controller_alive == 0 && controls.pause_requested == 0 && controls.rate_max_mhz == 0);
  CHECK_EQ(tele_producer_wants_frame(producer), 1);
  CHECK_EQ(tele_reader_status(reader, &status), 0);
  CHECK((status.flags & TELE_FLAG_PAUSED) == 0);
  /* Its successor takes its place, and nothing that the dead one asked for comes back with the new lease. */
  tele_controller *controller = open_controller(reader);
  tele_producer_controls(producer, &controls);
  CHECK(controls.controller_alive == 1 && controls.pause_requested == 0 && controls.rate_max_mhz == 0);
  publish_value(producer, 3);
  tele_controller_close(controller);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void a_lease_too_far_ahead_does_not_count(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_controller *controller = open_controller(reader);
  CHECK_EQ(tele_controller_set_pause(controller, 1), 0);
  CHECK_EQ(tele_producer_gate(producer, 1), 0);
  FILE *file = fopen(test_segment_path(), "r+");
  uint64_t until_ns = UINT64_MAX;
  CHECK(fseek(file, TELE_OFFSET_CONTROLLER_UNTIL, SEEK_SET) == 0 && fwrite(&until_ns, 8, 1, file) == 1);
  fflush(file); /* not closed: that would drop the lock of the producer, which is in this process */
  CHECK_EQ(tele_producer_gate(producer, 1), 1);
  tele_controller_close(controller);
  tele_reader_close(reader);
  tele_producer_close(producer);
  fclose(file);
}

static void control_and_wait(void *argument) {
  steering *channel = argument;
  char dir[] = "/tmp/telebridge-test-XXXXXX";
  CHECK(mkdtemp(dir) != NULL);
  setenv("TELEBRIDGE_RUNTIME_DIR", dir, 1);
  tele_reader *reader = open_reader();
  tele_controller *controller = open_controller(reader);
  tele_input key = key_event(7);
  CHECK_EQ(tele_controller_send_inputs(controller, &key, 1), 1);
  gate_open(&channel->ready);
  gate_pass(&channel->go_on);
  tele_controller_close(controller);
  tele_reader_close(reader);
  rmdir(dir);
}

/* Two runtime directories have two locks, but the run has one lease. */
static void a_run_has_one_controller_over_all_runtime_directories(void) {
  steering channel = {.ready = gate_make(), .go_on = gate_make()};
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  pid_t pid = start_child(control_and_wait, &channel);
  gate_pass(&channel.ready);
  /* The lease does not end while the test is slow. */
  FILE *file = fopen(test_segment_path(), "r+");
  uint64_t until_ns = tele_clock_mono_ns() + 2 * LEASE_NS - NS_PER_MS;
  CHECK(fseek(file, TELE_OFFSET_CONTROLLER_UNTIL, SEEK_SET) == 0 && fwrite(&until_ns, 8, 1, file) == 1);
  CHECK(fflush(file) == 0);
  tele_controller *controller;
  CHECK_EQ(tele_controller_open(reader, &controller), -EBUSY);
  CHECK_MESSAGE("another runtime directory");
  tele_controls controls;
  tele_producer_controls(producer, &controls);
  CHECK_EQ(controls.controller_alive, 1); /* the other one's lease is as it was */
  gate_open(&channel.go_on);
  expect_child_done(pid);
  controller = open_controller(reader);
  /* The key that was held is let go of now, and not with the next event. */
  tele_input event;
  CHECK(tele_producer_next_input(producer, &event) == 1 && event.code == 7);
  CHECK(tele_producer_next_input(producer, &event) == 1 && event.kind == TELE_INPUT_RELEASE_ALL);
  tele_controller_close(controller);
  tele_reader_close(reader);
  tele_producer_close(producer);
  fclose(file);
}

static void expect_busy(void *argument) {
  (void)argument;
  tele_reader *reader = open_reader();
  tele_controller *controller;
  CHECK_EQ(tele_controller_open(reader, &controller), -EBUSY);
  char expected[64];
  snprintf(expected, sizeof expected, "pid %d controls it", (int)getppid());
  CHECK_MESSAGE(expected);
  tele_reader_close(reader);
}

static void a_run_has_one_controller(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_controller *controller = open_controller(reader);
  expect_child_done(start_child(expect_busy, NULL));
  tele_controller_close(controller);
  char path[512];
  struct stat found;
  snprintf(path, sizeof path, "%s/mosaic.run.%s.sock", getenv("TELEBRIDGE_RUNTIME_DIR"), test_run());
  CHECK(stat(path, &found) < 0);
  strcat(path, ".lock");
  CHECK(stat(path, &found) < 0);
  controller = open_controller(reader);
  tele_controls controls;
  tele_producer_controls(producer, &controls);
  CHECK_EQ(controls.controller_alive, 1);
  tele_controller_close(controller);
  tele_producer_controls(producer, &controls);
  CHECK_EQ(controls.controller_alive, 0);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

/* A step command lets a paused worker go on once; input before and behind it stays in order. */
static void a_step_lets_a_paused_worker_go_on_once(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_controller *controller = open_controller(reader);
  const tele_input events[] = {key_event(4),
                               {.kind = TELE_INPUT_COMMAND, .code = TELE_COMMAND_STEP},
                               {.kind = TELE_INPUT_COMMAND, .code = TELE_COMMAND_STEP},
                               key_event(5)};
  CHECK_EQ(tele_producer_gate(producer, 0), 1);
  CHECK_EQ(tele_controller_set_pause(controller, 1), 0);
  CHECK_EQ(tele_producer_gate(producer, 0), 0);
  CHECK_EQ(tele_controller_send_inputs(controller, events, 4), 4);
  CHECK_EQ(tele_producer_gate(producer, 0), 1);
  CHECK_EQ(tele_producer_gate(producer, 0), 1);
  CHECK_EQ(tele_producer_gate(producer, 0), 0);
  tele_input event;
  for (size_t i = 0; i < 4; i++) {
    CHECK_EQ(tele_producer_next_input(producer, &event), 1);
    CHECK(event.kind == events[i].kind && event.code == events[i].code && event.t_ns != 0);
  }
  CHECK_EQ(tele_producer_next_input(producer, &event), 0);
  /* A step that comes while the worker runs is not kept for the next pause. */
  CHECK_EQ(tele_controller_set_pause(controller, 0), 0);
  CHECK_EQ(tele_controller_send_inputs(controller, &events[1], 1), 1);
  CHECK_EQ(tele_producer_gate(producer, 0), 1);
  CHECK_EQ(tele_controller_set_pause(controller, 1), 0);
  CHECK_EQ(tele_producer_gate(producer, 0), 0);
  tele_controller_close(controller);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void a_full_input_ring_drops_counts_and_releases(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_controller *controller = open_controller(reader);
  tele_input events[300], event;
  for (uint32_t i = 0; i < 300; i++) events[i] = key_event(i);
  CHECK_EQ(tele_controller_send_inputs(controller, events, 300), TELE_INPUT_EVENTS_MAX);
  CHECK_EQ(tele_controller_send_inputs(controller, events, 2), 0);
  CHECK_EQ(tele_producer_inputs_dropped(producer), 46);
  for (uint32_t i = 0; i < TELE_INPUT_EVENTS_MAX; i++) {
    CHECK_EQ(tele_producer_next_input(producer, &event), 1);
    CHECK_EQ(event.code, i);
  }
  CHECK_EQ(tele_producer_next_input(producer, &event), 0);
  CHECK_EQ(tele_controller_send_inputs(controller, &events[7], 1), 1);
  CHECK_EQ(tele_producer_next_input(producer, &event), 1);
  CHECK_EQ(event.kind, TELE_INPUT_RELEASE_ALL);
  CHECK_EQ(tele_producer_next_input(producer, &event), 1);
  CHECK_EQ(event.code, 7);
  tele_controller_close(controller);
  /* A new controller cannot know what its predecessor's viewer held down. */
  controller = open_controller(reader);
  CHECK_EQ(tele_controller_send_inputs(controller, &events[8], 1), 1);
  CHECK(tele_producer_next_input(producer, &event) == 1 && event.kind == TELE_INPUT_RELEASE_ALL);
  CHECK(tele_producer_next_input(producer, &event) == 1 && event.code == 8);
  tele_controller_close(controller);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void events_are_counted_as_written_and_as_taken(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_controller *controller = open_controller(reader);
  const tele_input events[] = {key_event(4), key_event(5), key_event(6)};
  uint64_t head = 7, tail = 7;
  CHECK_EQ(tele_controller_inputs(controller, &head, &tail), 0);
  CHECK(head == 0 && tail == 0);
  CHECK_EQ(tele_controller_send_inputs(controller, events, 3), 3);
  CHECK_EQ(tele_controller_inputs(controller, &head, &tail), 0);
  CHECK(head == 3 && tail == 0);
  /* The gate takes them too, for a worker that never asks for its input. */
  CHECK_EQ(tele_producer_gate(producer, 0), 1);
  CHECK_EQ(tele_controller_send_inputs(controller, events, 1), 1);
  CHECK_EQ(tele_controller_inputs(controller, &head, &tail), 0);
  CHECK(head == 4 && tail == 3);
  tele_input event;
  for (int i = 0; i < 4; i++) CHECK_EQ(tele_producer_next_input(producer, &event), 1);
  CHECK_EQ(tele_controller_inputs(controller, &head, &tail), 0);
  CHECK(head == 4 && tail == 4);
  tele_controller_close(controller);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

/* A worker that pauses and never asks for its input can be stepped for ever. */
static void a_worker_that_ignores_input_can_be_stepped(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_controller *controller = open_controller(reader);
  tele_input events[100], event;
  for (uint32_t i = 0; i < 100; i++) events[i] = key_event(i);
  CHECK_EQ(tele_controller_set_pause(controller, 1), 0);
  for (uint32_t i = 0; i < 10; i++) {
    CHECK_EQ(tele_controller_send_inputs(controller, events, 100), 100);
    CHECK_EQ(tele_producer_gate(producer, 0), 0);
    tele_input step = {.kind = TELE_INPUT_COMMAND, .code = TELE_COMMAND_STEP};
    CHECK_EQ(tele_controller_send_inputs(controller, &step, 1), 1);
    CHECK_EQ(tele_producer_gate(producer, 0), 1);
  }
  CHECK_EQ(tele_producer_inputs_dropped(producer), 10 * 101 - TELE_INPUT_EVENTS_MAX);
  CHECK_EQ(tele_producer_next_input(producer, &event), 1);
  CHECK_EQ(event.kind, TELE_INPUT_RELEASE_ALL);
  tele_controller_close(controller);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void the_rate_cap_holds(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_controller *controller = open_controller(reader);
  for (int i = 0; i < 100; i++) CHECK_EQ(tele_producer_wants_frame(producer), 1);
  CHECK_EQ(tele_controller_set_rate_max(controller, 100 * 1000), 0); /* 100 Hz */
  uint64_t start_ns = tele_clock_mono_ns(), now_ns = start_ns, turns = 0;
  for (; now_ns - start_ns < 500 * NS_PER_MS; now_ns = tele_clock_mono_ns()) {
    turns += (uint64_t)tele_producer_wants_frame(producer);
    usleep(300);
  }
  CHECK(turns >= 2 && turns <= (now_ns - start_ns) / (10 * NS_PER_MS) + 2);
  CHECK_EQ(tele_controller_set_rate_max(controller, 0), 0);
  CHECK_EQ(tele_producer_wants_frame(producer), 1);
  CHECK_EQ(tele_producer_wants_frame(producer), 1);
  tele_controller_close(controller);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void keyframes_are_asked_for_without_a_lease(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_controls controls;
  CHECK_EQ(tele_reader_request_keyframe(reader), 0);
  CHECK_EQ(tele_reader_request_keyframe(reader), 0);
  tele_producer_controls(producer, &controls);
  CHECK_EQ(controls.keyframe_requests, 2);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void hostile_input_counters_are_ignored(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_controller *controller = open_controller(reader);
  tele_input event = key_event(1);
  FILE *file = fopen(test_segment_path(), "r+");
  uint64_t head = 10000, tail = 77;
  CHECK(fseek(file, TELE_OFFSET_INPUT_HEAD, SEEK_SET) == 0 && fwrite(&head, 8, 1, file) == 1 && fflush(file) == 0);
  CHECK_EQ(tele_producer_next_input(producer, &event), 0);
  head = 5;
  CHECK(fseek(file, TELE_OFFSET_INPUT_HEAD, SEEK_SET) == 0 && fwrite(&head, 8, 1, file) == 1 && fflush(file) == 0);
  CHECK(fseek(file, TELE_OFFSET_INPUT_TAIL, SEEK_SET) == 0 && fwrite(&tail, 8, 1, file) == 1 && fflush(file) == 0);
  CHECK_EQ(tele_controller_send_inputs(controller, &event, 1), 0);
  CHECK_EQ(tele_controller_inputs(controller, &head, &tail), 0);
  CHECK(head == 5 && tail == 0);
  tele_controller_close(controller);
  tele_reader_close(reader);
  tele_producer_close(producer);
  fclose(file);
}

static const test tests[] = {
    {"a killed controller lets go within its lease", a_killed_controller_lets_go_within_its_lease},
    {"a lease too far ahead does not count", a_lease_too_far_ahead_does_not_count},
    {"a run has one controller", a_run_has_one_controller},
    {"a run has one controller over all runtime directories", a_run_has_one_controller_over_all_runtime_directories},
    {"a step lets a paused worker go on once", a_step_lets_a_paused_worker_go_on_once},
    {"a full input ring drops, counts and releases", a_full_input_ring_drops_counts_and_releases},
    {"events are counted as written and as taken", events_are_counted_as_written_and_as_taken},
    {"a worker that ignores input can be stepped", a_worker_that_ignores_input_can_be_stepped},
    {"the rate cap holds", the_rate_cap_holds},
    {"keyframes are asked for without a lease", keyframes_are_asked_for_without_a_lease},
    {"hostile input counters are ignored", hostile_input_counters_are_ignored},
};
SUITE(control, tests);
