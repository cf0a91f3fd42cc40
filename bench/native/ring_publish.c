/*
 * What tele_producer_publish() costs beside memcpy of the same bytes.
 *
 * memcpy goes round a set of buffers of the same number, size and spacing in the same kind of memory, since copying
 * into one warm buffer again and again measures the cache. Both are timed in short turns in the same run; a turn that
 * another process interrupted is seldom the median, and never both the median and the minimum.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* Where the pages of a ring happen to lie makes up to a tenth for large frames, hence several rings. */
#define RINGS 6
#define TURNS_PER_RING 60
/* Bytes copied in one turn: long enough for the clock, short enough to be seldom interrupted. */
#define TURN_BYTES (UINT64_C(4) << 20)
/* From here on the limit is a ratio and not a difference. */
#define LARGE_BYTES 1000000u

static tele_producer *open_ring(const char *name, uint64_t bytes) {
  tele_producer_options ring = {.payload_bytes_max = bytes};
  tele_producer *producer;
  bench_check(tele_producer_open(bench_run_id(name), &ring, &producer), "producer");
  return producer;
}

typedef struct target {
  uint8_t *memory;
  uint64_t spacing, count, next;
} target;

/* Buffers like the run's slots. */
static target make_target(const char *run_id) {
  tele_reader *reader;
  tele_status status;
  bench_check(tele_reader_open(run_id, &reader), "reader");
  bench_check(tele_reader_status(reader, &status), "status");
  tele_reader_close(reader);
  target made = {.spacing = status.slot_bytes, .count = status.capacity};
  off_t bytes = (off_t)(made.spacing * made.count);
  int fd = memfd_create("memcpy", MFD_CLOEXEC);
  if (fd < 0 || posix_fallocate(fd, 0, bytes) != 0) bench_check(-1, "memfd");
  made.memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (made.memory == MAP_FAILED) bench_check(-1, "mmap");
  close(fd);
  return made;
}

static void copy_next(target *target, const void *pixels, uint64_t bytes) {
  memcpy(target->memory + target->next * target->spacing + TELE_SLOT_HEADER_BYTES, pixels, bytes);
  if (++target->next == target->count) target->next = 0;
}

/* The clock's own cost is in every single-call sample. */
static double ns_since(uint64_t start_ns) { return (double)(tele_clock_mono_ns() - start_ns); }

/* One turn of each, the order changing: the second finds the frame's own pixels in the cache. */
static void take_turns(tele_producer *producer, target *target, const tele_frame *frame, uint64_t bytes, size_t turn,
                       double *publish_ns, double *copy_ns) {
  uint64_t calls = TURN_BYTES / bytes + 1;
  for (size_t half = 0; half < 2; half++) {
    uint64_t start_ns = tele_clock_mono_ns();
    if (half == turn % 2) {
      for (uint64_t i = 0; i < calls; i++) copy_next(target, frame->pixels, bytes);
      copy_ns[turn] = ns_since(start_ns) / (double)calls;
    } else {
      for (uint64_t i = 0; i < calls; i++) bench_check(tele_producer_publish(producer, frame), "publish");
      publish_ns[turn] = ns_since(start_ns) / (double)calls;
    }
  }
}

static void nobody_waits(const bench_options *options, frame_size size, const tele_frame *frame) {
  static double publish_ns[RINGS * TURNS_PER_RING], copy_ns[RINGS * TURNS_PER_RING];
  static double more_ns[RINGS * TURNS_PER_RING], ratio[RINGS * TURNS_PER_RING];
  uint64_t bytes = frame_bytes(size);
  size_t turns_per_ring = options->smoke ? 3 : TURNS_PER_RING;
  for (size_t ring = 0; ring < RINGS; ring++) {
    tele_producer *producer = open_ring("publish", bytes);
    target target = make_target(bench_run_id("publish"));
    for (size_t turn = 0; turn < turns_per_ring; turn++) {
      size_t offset = ring * turns_per_ring;
      take_turns(producer, &target, frame, bytes, turn, publish_ns + offset, copy_ns + offset);
    }
    munmap(target.memory, target.spacing * target.count);
    tele_producer_close(producer);
  }
  /* Turn by turn: what loads the machine for a while loads both. */
  size_t turns = RINGS * turns_per_ring;
  for (size_t turn = 0; turn < turns; turn++) {
    more_ns[turn] = publish_ns[turn] - copy_ns[turn];
    ratio[turn] = publish_ns[turn] / copy_ns[turn];
  }
  double more_p50 = bench_quantile(more_ns, turns, 0.5), ratio_p50 = bench_quantile(ratio, turns, 0.5);
  bool small = bytes < LARGE_BYTES;
  bool met = small ? more_p50 <= 150 : ratio_p50 <= 1.05;
  char what[200], measured[200], against[200];
  snprintf(what, sizeof what, "publish %u x %u x %u, nobody waiting", size.width, size.height, size.channels);
  snprintf(measured, sizeof measured, "%.0f ns", bench_quantile(publish_ns, turns, 0.5));
  snprintf(against, sizeof against, "memcpy %.0f ns: %+.0f ns, %.3fx", bench_quantile(copy_ns, turns, 0.5), more_p50,
           ratio_p50);
  bench_row(options, what, measured, against, small ? "memcpy + 150 ns" : "1.05 x memcpy", met);
}

/* ---- With a waiter in another process ---------------------------------------------------------- */

#define SPACED_CALLS_MAX 1000

/* Waits for frames of the run with the hub, until the run is closed. */
static void wait_for_frames(const char *run_id) {
  tele_reader *reader;
  tele_controller *controller;
  tele_hub *hub;
  bench_check(tele_reader_open(run_id, &reader), "reader");
  bench_check(tele_controller_open(reader, &controller), "controller");
  bench_check(tele_hub_create(&hub), "hub");
  bench_check(tele_hub_add(hub, 1, reader, controller), "hub");
  tele_hub_event event = {.kind = TELE_HUB_FRAME};
  for (uint64_t after = 0; event.kind != TELE_HUB_CLOSED;) {
    tele_hub_arm(hub, 1, after, 0);
    if (tele_hub_next(hub, 1000, &event, 1) == 1 && event.kind == TELE_HUB_FRAME) after = event.head;
  }
  tele_hub_destroy(hub);
  tele_controller_close(controller);
}

static double timed_publish(tele_producer *producer, const tele_frame *frame) {
  usleep(300); /* until the waiter is asleep again */
  uint64_t start_ns = tele_clock_mono_ns();
  bench_check(tele_producer_publish(producer, frame), "publish");
  return ns_since(start_ns);
}

/* Two rings in turn, one of them waited for; and what a bare datagram to a sleeping process costs its sender here. */
static void somebody_waits(const bench_options *options, frame_size size, const tele_frame *frame) {
  static double alone_ns[SPACED_CALLS_MAX], waited_ns[SPACED_CALLS_MAX], bare_ns[SPACED_CALLS_MAX];
  size_t calls = options->smoke ? 20 : SPACED_CALLS_MAX;
  tele_producer *alone = open_ring("alone", frame_bytes(size)), *waited = open_ring("waited", frame_bytes(size));
  const char *run_id = bench_run_id("waited"); /* of this process, not of the fork */
  int bare[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, bare) < 0) bench_check(-1, "socketpair");
  pid_t waiter = fork();
  if (waiter == 0) {
    wait_for_frames(run_id);
    _exit(0);
  }
  pid_t receiver = fork();
  if (receiver == 0) {
    for (uint64_t head;;) {
      if (recv(bare[1], &head, sizeof head, 0) < 0) _exit(1);
    }
  }
  tele_controls controls = {.controller_alive = 0};
  while (!controls.controller_alive) {
    usleep(1000);
    tele_producer_controls(waited, &controls);
  }
  for (size_t i = 0; i < calls; i++) {
    alone_ns[i] = timed_publish(alone, frame);
    waited_ns[i] = timed_publish(waited, frame);
    usleep(300);
    uint64_t start_ns = tele_clock_mono_ns();
    if (send(bare[0], &start_ns, sizeof start_ns, MSG_DONTWAIT) < 0) bench_check(-1, "send");
    bare_ns[i] = ns_since(start_ns);
  }
  tele_producer_close(alone);
  tele_producer_close(waited); /* which ends the waiter */
  kill(receiver, SIGKILL);
  while (wait(NULL) > 0) {
  }
  close(bare[0]);
  close(bare[1]);
  double alone_p50 = bench_quantile(alone_ns, calls, 0.5), waited_p50 = bench_quantile(waited_ns, calls, 0.5);
  char what[200], measured[200], against[200];
  snprintf(what, sizeof what, "publish %u x %u x %u, a waiter asleep", size.width, size.height, size.channels);
  snprintf(measured, sizeof measured, "%.1f us", waited_p50 / 1e3);
  snprintf(against, sizeof against, "nobody waiting %.1f us: %+.1f us; a bare datagram %.1f us", alone_p50 / 1e3,
           (waited_p50 - alone_p50) / 1e3, bench_quantile(bare_ns, calls, 0.5) / 1e3);
  bench_row(options, what, measured, against, "10 us more", waited_p50 - alone_p50 <= 10000);
}

int main(int argc, char **argv) {
  bench_options options = bench_parse(argc, argv);
  for (int i = 0; i < FRAME_SIZES_COUNT; i++) {
    uint8_t *pixels = malloc(frame_bytes(frame_sizes[i]));
    tele_frame frame = bench_frame(frame_sizes[i], pixels);
    nobody_waits(&options, frame_sizes[i], &frame);
    /* The datagram costs the same behind a large frame, where it cannot be told from the copy's own ups and downs. */
    if (frame_bytes(frame_sizes[i]) < LARGE_BYTES) somebody_waits(&options, frame_sizes[i], &frame);
    free(pixels);
  }
  bench_done(&options);
  return 0;
}
