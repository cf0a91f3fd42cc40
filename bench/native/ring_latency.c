/*
 * From before publish to after the read in another process that was asleep, beside the least that the same way can
 * cost: memcpy into shared memory, a bare datagram, memcpy out of it. Both take turns between the same two processes,
 * over as many buffers of the same size.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define TURNS_MAX 2000

/* Shared by the two processes. */
typedef struct results {
  double ring_ns[TURNS_MAX];
  double bare_ns[TURNS_MAX];
  atomic_uint_fast64_t done; /* frames that the reader has, of both lanes */
} results;

typedef struct bare_lane {
  uint8_t *memory;
  uint64_t spacing, count;
  int fds[2];
} bare_lane;

/* What travels in a datagram of the bare lane. */
typedef struct ping {
  uint64_t index;
  uint64_t start_ns;
} ping;

static void *map_shared(uint64_t bytes) {
  void *mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (mapped == MAP_FAILED) bench_check(-1, "mmap");
  return mapped;
}

static void receive_bare(const bare_lane *lane, uint8_t *buffer, uint64_t bytes, double *latency_ns) {
  ping ping;
  if (recv(lane->fds[1], &ping, sizeof ping, 0) != sizeof ping) exit(1);
  memcpy(buffer, lane->memory + ping.index % lane->count * lane->spacing, bytes);
  *latency_ns = (double)(tele_clock_mono_ns() - ping.start_ns);
}

static void receive_ring(tele_hub *hub, tele_reader *reader, uint64_t frame, uint8_t *buffer, uint64_t buffer_bytes,
                         double *latency_ns) {
  tele_hub_event event;
  uint64_t bytes;
  bench_check(tele_hub_arm(hub, 1, frame - 1, 0), "arm");
  while (tele_hub_next(hub, 1000, &event, 1) != 1 || event.kind != TELE_HUB_FRAME) {
  }
  if (tele_reader_read(reader, frame - 1, TELE_READ_NEWEST, buffer, buffer_bytes, &bytes) != 1) exit(1);
  uint64_t now_ns = tele_clock_mono_ns();
  *latency_ns = (double)(now_ns - ((const tele_slot_header *)(const void *)buffer)->t_mono_ns);
}

static void receive(const char *run_id, const bare_lane *lane, uint64_t bytes, size_t turns, results *results) {
  tele_reader *reader;
  tele_controller *controller;
  tele_hub *hub;
  bench_pin(1);
  bench_check(tele_reader_open(run_id, &reader), "reader");
  bench_check(tele_controller_open(reader, &controller), "controller");
  bench_check(tele_hub_create(&hub), "hub");
  bench_check(tele_hub_add(hub, 1, reader, controller), "hub");
  uint64_t buffer_bytes = TELE_SLOT_HEADER_BYTES + bytes;
  uint8_t *buffer = malloc(buffer_bytes);
  memset(buffer, 1, buffer_bytes);
  for (size_t turn = 0; turn < turns; turn++) {
    receive_bare(lane, buffer, bytes, &results->bare_ns[turn]);
    atomic_store(&results->done, 2 * turn + 1);
    receive_ring(hub, reader, turn + 1, buffer, buffer_bytes, &results->ring_ns[turn]);
    atomic_store(&results->done, 2 * turn + 2);
  }
  tele_hub_destroy(hub);
  tele_controller_close(controller);
  exit(0);
}

static void measure(const bench_options *options, frame_size size) {
  uint64_t bytes = frame_bytes(size);
  size_t turns = options->smoke ? 30 : bytes < 1000000 ? TURNS_MAX : 500;
  uint8_t *pixels = malloc(bytes);
  tele_frame frame = bench_frame(size, pixels);
  tele_producer_options ring = {.payload_bytes_max = bytes};
  tele_producer *producer;
  tele_reader *reader;
  tele_status status;
  const char *run_id = bench_run_id("latency");
  bench_check(tele_producer_open(run_id, &ring, &producer), "producer");
  bench_check(tele_reader_open(run_id, &reader), "reader");
  bench_check(tele_reader_status(reader, &status), "status");
  tele_reader_close(reader);
  bare_lane lane = {.spacing = status.slot_bytes, .count = status.capacity};
  lane.memory = map_shared(lane.spacing * lane.count);
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, lane.fds) < 0) bench_check(-1, "socketpair");
  results *results = map_shared(sizeof *results);
  pid_t pid = fork();
  if (pid == 0) receive(run_id, &lane, bytes, turns, results);
  bench_pin(0);
  for (size_t turn = 0; turn < turns; turn++) {
    bench_wait_until_asleep(&results->done, 2 * turn);
    ping ping = {.index = turn, .start_ns = tele_clock_mono_ns()};
    memcpy(lane.memory + turn % lane.count * lane.spacing, pixels, bytes);
    if (send(lane.fds[0], &ping, sizeof ping, 0) < 0) bench_check(-1, "send");
    bench_wait_until_asleep(&results->done, 2 * turn + 1);
    frame.t_mono_ns = tele_clock_mono_ns();
    bench_check(tele_producer_publish(producer, &frame), "publish");
  }
  int ended;
  waitpid(pid, &ended, 0);
  bench_check(ended == 0 ? 0 : -1, "the receiver failed");
  for (int i = 0; i < 2; i++) {
    double p = i == 0 ? 0.5 : 0.99;
    double ring_ns = bench_quantile(results->ring_ns, turns, p), bare_ns = bench_quantile(results->bare_ns, turns, p);
    char what[200], measured[200], against[200];
    snprintf(what, sizeof what, "publish to reader done %u x %u x %u, p%.0f", size.width, size.height, size.channels,
             p * 100);
    snprintf(measured, sizeof measured, "%.1f us", ring_ns / 1e3);
    snprintf(against, sizeof against, "datagram and two memcpys %.1f us: %.2fx", bare_ns / 1e3, ring_ns / bare_ns);
    bench_row(options, what, measured, against, "1.2 x", ring_ns <= 1.2 * bare_ns);
  }
  close(lane.fds[0]);
  close(lane.fds[1]);
  munmap(lane.memory, lane.spacing * lane.count);
  munmap(results, sizeof *results);
  tele_producer_close(producer);
  free(pixels);
}

int main(int argc, char **argv) {
  bench_options options = bench_parse(argc, argv);
  for (int i = 0; i < FRAME_SIZES_COUNT; i++) measure(&options, frame_sizes[i]);
  bench_done(&options);
  return 0;
}
