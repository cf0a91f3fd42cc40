/* The hub: no lost wake-up, no event twice, and the ends of runs. */
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "hub.h"

/* A bound against hangs. */
#define EVENT_MS_MAX 10000u
/* A frame that is found this late was not woken for: in the build for lost wake-ups the hub sleeps for twice as long.
 */
#define LOST_NS NS_PER_S

typedef struct watched {
  tele_reader *reader;
  tele_controller *controller;
  tele_hub *hub;
} watched;

static watched watch_run(void) {
  watched made;
  made.reader = open_reader();
  CHECK_EQ(tele_controller_open(made.reader, &made.controller), 0);
  CHECK_EQ(tele_hub_create(&made.hub), 0);
  CHECK_EQ(tele_hub_add(made.hub, 1, made.reader, made.controller), 0);
  return made;
}

static void unwatch(watched *watched) {
  tele_hub_destroy(watched->hub);
  tele_controller_close(watched->controller);
  tele_reader_close(watched->reader);
}

static tele_hub_event expect_event(tele_hub *hub, tele_hub_event_kind kind) {
  tele_hub_event event;
  CHECK_EQ(tele_hub_next(hub, EVENT_MS_MAX, &event, 1), 1);
  CHECK_EQ(event.kind, kind);
  return event;
}

/* ---- Lost wake-ups ---------------------------------------------------------------------------- */

#define ROUNDS 50000u
/* Iterations of an empty loop: as long as publishing takes, and as the hub needs until it is asleep. */
#define DELAY_LOOPS_MAX 2000u

/* Shared by both processes, which spin on it: a pipe would wake the producer only when the hub sleeps already. */
typedef struct ping_pong {
  atomic_uint_fast64_t ready; /* 1 = the run is there */
  atomic_uint_fast64_t armed; /* the frame that is waited for */
} ping_pong;

static void spin_until(const atomic_uint_fast64_t *word, uint64_t value) {
  for (unsigned spins = 0; atomic_load_explicit(word, memory_order_acquire) < value; spins++) {
    if (spins % 4096 == 4095) sched_yield();
  }
}

/* Both sides delay, so that publishing lands before, while and after the hub falls asleep. */
static void delay(uint64_t *seed) {
  for (uint64_t i = random_next(seed) % DELAY_LOOPS_MAX; i > 0; i--) __asm__ volatile("");
}

static void publish_when_armed(void *argument) {
  ping_pong *shared = argument;
  tele_producer *producer = open_producer(200, 4);
  uint64_t seed = 5;
  atomic_store(&shared->ready, 1);
  for (uint64_t frame = 1; frame <= ROUNDS; frame++) {
    spin_until(&shared->armed, frame);
    delay(&seed);
    publish_value(producer, frame);
  }
  spin_until(&shared->armed, ROUNDS + 1);
  tele_producer_close(producer);
}

/* Two processes and a fixed number of frames: each is told once, and by a datagram or by the look that follows the
 * wish for one. */
static void every_frame_of_a_ping_pong_comes(void) {
  ping_pong *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  pid_t pid = start_child(publish_when_armed, shared);
  spin_until(&shared->ready, 1);
  watched watched = watch_run();
  uint64_t seed = 7;
  for (uint64_t frame = 1; frame <= ROUNDS; frame++) {
    uint64_t start_ns = tele_clock_mono_ns();
    atomic_store(&shared->armed, frame);
    delay(&seed);
    CHECK_EQ(tele_hub_arm(watched.hub, 1, frame - 1, 0), 0);
    tele_hub_event event = expect_event(watched.hub, TELE_HUB_FRAME);
    CHECK(event.stream_id == 1 && event.head == frame);
    CHECK(tele_clock_mono_ns() - start_ns < LOST_NS);
  }
  atomic_store(&shared->armed, ROUNDS + 1);
  expect_child_done(pid);
  unwatch(&watched);
}

/* ---- Arming ----------------------------------------------------------------------------------- */

static uint32_t notify_wanted(void) {
  uint32_t word = 9;
  FILE *file = fopen(test_segment_path(), "r");
  CHECK(fseek(file, TELE_OFFSET_NOTIFY_WANTED, SEEK_SET) == 0 && fread(&word, 4, 1, file) == 1);
  fclose(file);
  return word;
}

static void publish_one_by_one(void *argument) {
  gate *gates = argument;
  tele_producer *producer = open_producer(200, 4);
  gate_open(&gates[1]);
  for (uint64_t frame = 1; frame <= 3; frame++) {
    gate_pass(&gates[0]);
    publish_value(producer, frame);
    gate_open(&gates[1]);
  }
  gate_pass(&gates[0]);
}

static void only_an_armed_stream_costs_its_producer_anything(void) {
  gate gates[2] = {gate_make(), gate_make()};
  pid_t pid = start_child(publish_one_by_one, gates);
  gate_pass(&gates[1]);
  watched watched = watch_run();
  tele_hub_event event;
  gate_open(&gates[0]);
  gate_pass(&gates[1]);
  CHECK_EQ(tele_hub_next(watched.hub, 30, &event, 1), 0);
  CHECK_EQ(notify_wanted(), 0);
  CHECK_EQ(tele_hub_arm(watched.hub, 1, 1, 0), 0);
  CHECK_EQ(tele_hub_next(watched.hub, 30, &event, 1), 0);
  CHECK_EQ(notify_wanted(), 1);
  CHECK_EQ(tele_hub_disarm(watched.hub, 1), 0);
  CHECK_EQ(notify_wanted(), 0);
  /* Not before its turn, and without datagrams until then. */
  uint64_t turn_ns = tele_clock_mono_ns() + 60 * NS_PER_MS;
  CHECK_EQ(tele_hub_arm(watched.hub, 1, 0, turn_ns), 0);
  CHECK_EQ(tele_hub_next(watched.hub, 5, &event, 1), 0);
  CHECK_EQ(notify_wanted(), 0);
  event = expect_event(watched.hub, TELE_HUB_FRAME);
  CHECK(event.t_mono_ns >= turn_ns && event.head == 1);
  CHECK_EQ(tele_hub_next(watched.hub, 10, &event, 1), 0); /* once armed, one event */
  CHECK_EQ(tele_hub_arm(watched.hub, 1, 1, 0), 0);
  gate_open(&gates[0]);
  gate_pass(&gates[1]);
  expect_event(watched.hub, TELE_HUB_FRAME);
  CHECK_EQ(notify_wanted(), 0);
  /* Removing a stream takes its wish back too. */
  CHECK_EQ(tele_hub_arm(watched.hub, 1, 2, 0), 0);
  CHECK_EQ(tele_hub_next(watched.hub, 1, &event, 1), 0);
  CHECK_EQ(notify_wanted(), 1);
  CHECK_EQ(tele_hub_remove(watched.hub, 1), 0);
  CHECK_EQ(notify_wanted(), 0);
  CHECK_EQ(tele_hub_remove(watched.hub, 1), -ENOENT);
  CHECK_EQ(tele_hub_arm(watched.hub, 1, 0, 0), -ENOENT);
  kill_child(pid);
  unwatch(&watched);
}

static void a_wake_is_not_lost(void) {
  tele_producer *producer = open_producer(200, 4);
  watched watched = watch_run();
  tele_hub_event event;
  CHECK_EQ(tele_hub_add(watched.hub, 1, watched.reader, NULL), -EEXIST);
  CHECK_EQ(tele_hub_wake(watched.hub), 0);
  uint64_t start_ns = tele_clock_mono_ns();
  CHECK_EQ(tele_hub_next(watched.hub, EVENT_MS_MAX, &event, 1), 0);
  CHECK(tele_clock_mono_ns() - start_ns < EVENT_MS_MAX * NS_PER_MS / 2);
  unwatch(&watched);
  tele_producer_close(producer);
}

/* More events than fit one call come in the next ones. */
static void events_that_do_not_fit_come_later(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  tele_hub *hub;
  CHECK_EQ(tele_hub_create(&hub), 0);
  for (uint64_t id = 1; id <= 9; id++) {
    CHECK_EQ(tele_hub_add(hub, id, reader, NULL), 0);
    CHECK_EQ(tele_hub_arm(hub, id, 0, 0), 0);
  }
  publish_value(producer, 1);
  tele_hub_event events[4];
  unsigned seen = 0;
  for (int i = 0; i < 3; i++) {
    int count = tele_hub_next(hub, EVENT_MS_MAX, events, 4);
    CHECK_EQ(count, i < 2 ? 4 : 1);
    for (int j = 0; j < count; j++) seen |= 1u << events[j].stream_id;
  }
  CHECK_EQ(seen, 0x3fe);
  tele_hub_destroy(hub);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

/* ---- Without datagrams ------------------------------------------------------------------------ */

static void publish_all_the_time(void *argument) {
  gate *ready = argument;
  char dir[] = "/tmp/telebridge-test-XXXXXX";
  if (ready->fds[0] % 2 == -1 || mkdtemp(dir) == NULL) abort();
  setenv("TELEBRIDGE_RUNTIME_DIR", dir, 1); /* another one than the controller's */
  tele_producer *producer = open_producer(200, 4);
  rmdir(dir);
  gate_open(ready);
  for (uint64_t frame = 1;; frame++) {
    publish_value(producer, frame);
    usleep(2000);
  }
}

static void frames_without_datagrams_are_polled(void) {
  gate ready = gate_make();
  pid_t pid = start_child(publish_all_the_time, &ready);
  gate_pass(&ready);
  watched watched = watch_run();
  uint64_t after = 0;
  unsigned frames = 0, warnings = 0;
  while (frames < 50) {
    tele_hub_event event;
    CHECK_EQ(tele_hub_arm(watched.hub, 1, after, 0), 0);
    CHECK_EQ(tele_hub_next(watched.hub, EVENT_MS_MAX, &event, 1), 1);
    if (event.kind == TELE_HUB_POLLING) {
      warnings++;
      CHECK(frames >= 3 && frames < 20);
    } else {
      CHECK_EQ(event.kind, TELE_HUB_FRAME);
      CHECK(event.head > after);
      after = event.head;
      frames++;
    }
  }
  CHECK_EQ(warnings, 1);
  CHECK_EQ(notify_wanted(), 0);
  kill_child(pid);
  unwatch(&watched);
}

static void publish_with_datagrams(void *argument) {
  gate *gates = argument;
  tele_producer *producer = open_producer(200, 4);
  gate_open(&gates[1]);
  gate_pass(&gates[0]);
  for (uint64_t frame = 1;; frame++) {
    publish_value(producer, frame);
    usleep(2000);
  }
}

static void a_polled_run_that_sends_datagrams_is_polled_no_more(void) {
  gate gates[2] = {gate_make(), gate_make()};
  pid_t pid = start_child(publish_with_datagrams, gates);
  gate_pass(&gates[1]);
  watched watched = watch_run();
  stream *stream = watched.hub->streams;
  stream->polled = true; /* as after three frames without */
  gate_open(&gates[0]);
  uint64_t after = 0;
  for (unsigned frames = 0; stream->polled; frames++) {
    CHECK(frames < 5000);
    CHECK_EQ(tele_hub_arm(watched.hub, 1, after, 0), 0);
    after = expect_event(watched.hub, TELE_HUB_FRAME).head;
    stream->retry_due_ns = 0; /* the five seconds are over */
  }
  kill_child(pid);
  unwatch(&watched);
}

/* A container's filter may refuse the newer call, with another error than a kernel that does not have it. */
static void a_refused_epoll_pwait2_is_replaced(void) {
  refuse_call(SYS_epoll_pwait2, ANY_ARGUMENT, EPERM);
  tele_producer *producer = open_producer(200, 4);
  watched watched = watch_run();
  struct epoll_event ready[1];
  tele_hub_event event;
  CHECK(epoll_pwait2(watched.hub->epoll_fd, ready, 1, NULL, NULL) < 0 && errno == EPERM);
  uint64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  CHECK_EQ(tele_hub_next(watched.hub, 500, &event, 1), 0);
  CHECK(clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns < 250 * NS_PER_MS); /* asleep, not in a loop */
  publish_value(producer, 1);
  CHECK_EQ(tele_hub_arm(watched.hub, 1, 0, 0), 0);
  expect_event(watched.hub, TELE_HUB_FRAME);
  unwatch(&watched);
  tele_producer_close(producer);
}

/* ---- Ends ------------------------------------------------------------------------------------- */

static void a_killed_producer_is_told_once(void) {
  gate gates[2] = {gate_make(), gate_make()};
  pid_t pid = start_child(publish_one_by_one, gates);
  gate_pass(&gates[1]);
  watched watched = watch_run();
  tele_hub_event event;
  CHECK_EQ(tele_hub_arm(watched.hub, 1, 0, 0), 0);
  CHECK_EQ(tele_hub_next(watched.hub, 300, &event, 1), 0);
  kill_child(pid);
  expect_event(watched.hub, TELE_HUB_DEAD);
  tele_producer *successor = open_producer(200, 4);
  expect_event(watched.hub, TELE_HUB_REPLACED);
  CHECK_EQ(tele_hub_next(watched.hub, 600, &event, 1), 0);
  unwatch(&watched);
  tele_producer_close(successor);
}

/* The last frame comes before the news that there will be none. */
static void a_closed_run_is_told_after_its_last_frame(void) {
  tele_producer *producer = open_producer(200, 4);
  watched watched = watch_run();
  CHECK_EQ(tele_hub_arm(watched.hub, 1, 0, 0), 0);
  publish_value(producer, 1);
  tele_producer_close(producer);
  tele_hub_event events[4];
  CHECK_EQ(tele_hub_next(watched.hub, EVENT_MS_MAX, events, 4), 2);
  CHECK(events[0].kind == TELE_HUB_FRAME && events[0].head == 1);
  CHECK(events[1].kind == TELE_HUB_CLOSED);
  CHECK_EQ(tele_hub_next(watched.hub, 600, events, 4), 0);
  unwatch(&watched);
}

static void a_truncated_run_is_told_once(void) {
  open_producer(200, 4);
  watched watched = watch_run();
  tele_hub_event event;
  CHECK_EQ(tele_hub_arm(watched.hub, 1, 0, 0), 0);
  CHECK(truncate(test_segment_path(), 0) == 0);
  event = expect_event(watched.hub, TELE_HUB_FAULT);
  CHECK_EQ(event.detail, EFAULT);
  CHECK_EQ(tele_hub_next(watched.hub, 600, &event, 1), 0);
  /* What is still sent is taken out of the socket, and does not end every sleep. */
  uint64_t head = 1;
  struct sockaddr_un address;
  socklen_t address_bytes = sizeof address;
  CHECK(getsockname(watched.controller->socket_fd, (struct sockaddr *)&address, &address_bytes) == 0);
  int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
  CHECK(sendto(sender, &head, sizeof head, 0, (struct sockaddr *)&address, address_bytes) == sizeof head);
  CHECK_EQ(tele_hub_next(watched.hub, 20, &event, 1), 0);
  CHECK(recv(watched.controller->socket_fd, &head, sizeof head, MSG_DONTWAIT) < 0);
  close(sender);
  unwatch(&watched);
  _exit(0); /* without closing the producer: it cannot write into what is gone */
}

static const test tests[] = {
    {"every frame of a ping-pong comes", every_frame_of_a_ping_pong_comes},
    {"only an armed stream costs its producer anything", only_an_armed_stream_costs_its_producer_anything},
    {"a wake is not lost", a_wake_is_not_lost},
    {"events that do not fit come later", events_that_do_not_fit_come_later},
    {"frames without datagrams are polled", frames_without_datagrams_are_polled},
    {"a polled run that sends datagrams is polled no more", a_polled_run_that_sends_datagrams_is_polled_no_more},
    {"a refused epoll_pwait2 is replaced", a_refused_epoll_pwait2_is_replaced},
    {"a killed producer is told once", a_killed_producer_is_told_once},
    {"a closed run is told after its last frame", a_closed_run_is_told_after_its_last_frame},
    {"a truncated run is told once", a_truncated_run_is_told_once},
};
SUITE(hub, tests);
