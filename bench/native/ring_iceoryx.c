/*
 * The ring beside iceoryx 2 (its C binding), in the same run, between the same two processes: what publishing a frame
 * that lies elsewhere costs, and how long it takes until a sleeping reader in another process has its copy.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iceoryx_binding_c/log.h>
#include <iceoryx_binding_c/publisher.h>
#include <iceoryx_binding_c/runtime.h>
#include <iceoryx_binding_c/subscriber.h>
#include <iceoryx_binding_c/wait_set.h>

#include "bench.h"

#define TURNS_MAX 600

/* Shared by the two processes. */
typedef struct results {
  double ring_ns[TURNS_MAX];
  double iceoryx_ns[TURNS_MAX];
  atomic_uint_fast64_t done; /* frames that the reader has, of both lanes */
} results;

/* What an iceoryx chunk holds in front of the pixels: as much as a slot's header. */
typedef struct chunk {
  uint64_t t_mono_ns;
  uint8_t reserved[TELE_SLOT_HEADER_BYTES - 8];
  uint8_t pixels[];
} chunk;

/* ---- iceoryx's daemon ------------------------------------------------------------------------- */

static pid_t start_daemon(void) {
  char path[] = "/tmp/telebridge-bench-XXXXXX";
  int fd = mkstemp(path);
  FILE *config = fdopen(fd, "w");
  fprintf(config, "[general]\nversion = 1\n[[segment]]\n");
  for (int i = 0; i < FRAME_SIZES_COUNT; i++) {
    uint64_t bytes = (sizeof(chunk) + frame_bytes(frame_sizes[i]) + 63) / 64 * 64;
    fprintf(config, "[[segment.mempool]]\nsize = %llu\ncount = 8\n", (unsigned long long)bytes);
  }
  fclose(config);
  int ready[2];
  if (pipe(ready) < 0) bench_check(-1, "pipe");
  pid_t pid = fork();
  if (pid == 0) {
    dup2(ready[1], 1);
    dup2(open("/dev/null", O_WRONLY), 2);
    execlp("iox-roudi", "iox-roudi", "-c", path, "-m", "off", (char *)NULL);
    _exit(127);
  }
  close(ready[1]);
  /* It says so when it is ready, and ends its output when it cannot start. */
  char text[4096];
  size_t used = 0;
  for (ssize_t count; (count = read(ready[0], text + used, sizeof text - 1 - used)) > 0;) {
    used += (size_t)count;
    text[used] = '\0';
    if (strstr(text, "ready") != NULL) {
      unlink(path);
      return pid;
    }
  }
  unlink(path);
  waitpid(pid, NULL, 0);
  return -1;
}

/* ---- The reading process ----------------------------------------------------------------------- */

static void read_iceoryx(iox_ws_t waiting, iox_sub_t subscriber, uint8_t *buffer, uint64_t bytes, double *latency_ns) {
  const void *payload = NULL;
  iox_notification_info_t infos[1];
  uint64_t missed;
  while (iox_sub_take_chunk(subscriber, &payload) != ChunkReceiveResult_SUCCESS) {
    iox_ws_wait(waiting, infos, 1, &missed);
  }
  const chunk *found = payload;
  memcpy(buffer, found->pixels, bytes);
  *latency_ns = (double)(tele_clock_mono_ns() - found->t_mono_ns);
  iox_sub_release_chunk(subscriber, payload);
}

static void read_ring(tele_hub *hub, tele_reader *reader, uint64_t after, uint8_t *buffer, uint64_t buffer_bytes,
                      double *latency_ns) {
  tele_hub_event event;
  uint64_t bytes;
  bench_check(tele_hub_arm(hub, 1, after, 0), "arm");
  while (tele_hub_next(hub, 1000, &event, 1) != 1 || event.kind != TELE_HUB_FRAME) {
  }
  if (tele_reader_read(reader, after, TELE_READ_NEWEST, buffer, buffer_bytes, &bytes) != 1) exit(1);
  *latency_ns = (double)(tele_clock_mono_ns() - ((const tele_slot_header *)(const void *)buffer)->t_mono_ns);
}

static void read_both(const char *run_id, int size_index, size_t turns, uint64_t frames_before, int ready,
                      results *results) {
  uint64_t bytes = frame_bytes(frame_sizes[size_index]);
  char event[16];
  snprintf(event, sizeof event, "%d", size_index);
  iox_runtime_init("telebridge-bench-reader");
  iox_sub_options_t options;
  iox_sub_options_init(&options);
  options.queueCapacity = 1;
  iox_sub_storage_t subscriber_storage;
  iox_sub_t subscriber = iox_sub_init(&subscriber_storage, "telebridge", "bench", event, &options);
  iox_ws_storage_t waiting_storage;
  iox_ws_t waiting = iox_ws_init(&waiting_storage);
  iox_ws_attach_subscriber_event(waiting, subscriber, SubscriberEvent_DATA_RECEIVED, 1, NULL);
  tele_reader *reader;
  tele_controller *controller;
  tele_hub *hub;
  bench_check(tele_reader_open(run_id, &reader), "reader");
  bench_check(tele_controller_open(reader, &controller), "controller");
  bench_check(tele_hub_create(&hub), "hub");
  bench_check(tele_hub_add(hub, 1, reader, controller), "hub");
  uint64_t buffer_bytes = TELE_SLOT_HEADER_BYTES + bytes;
  uint8_t *buffer = malloc(buffer_bytes);
  memset(buffer, 1, buffer_bytes);
  if (write(ready, "r", 1) != 1) exit(1);
  for (size_t turn = 0; turn < turns; turn++) {
    read_ring(hub, reader, frames_before + turn, buffer, buffer_bytes, &results->ring_ns[turn]);
    atomic_store(&results->done, 2 * turn + 1);
    read_iceoryx(waiting, subscriber, buffer, bytes, &results->iceoryx_ns[turn]);
    atomic_store(&results->done, 2 * turn + 2);
  }
  tele_hub_destroy(hub);
  tele_controller_close(controller);
  exit(0);
}

/* ---- The publishing process -------------------------------------------------------------------- */

static void publish_iceoryx(iox_pub_t publisher, const tele_frame *frame, uint64_t bytes) {
  void *payload;
  if (iox_pub_loan_chunk(publisher, &payload, (uint32_t)(sizeof(chunk) + bytes)) != AllocationResult_SUCCESS) {
    fprintf(stderr, "iceoryx has no chunk of %llu bytes\n", (unsigned long long)bytes);
    exit(1);
  }
  chunk *made = payload;
  made->t_mono_ns = tele_clock_mono_ns();
  memcpy(made->pixels, frame->pixels, bytes);
  iox_pub_publish_chunk(publisher, payload);
}

static void report(const bench_options *options, const char *what, frame_size size, double ring_ns, double iceoryx_ns) {
  char text[200], measured[200], against[200];
  snprintf(text, sizeof text, "%s %u x %u x %u", what, size.width, size.height, size.channels);
  snprintf(measured, sizeof measured, "%.1f us", ring_ns / 1e3);
  snprintf(against, sizeof against, "iceoryx %.1f us: %.2fx", iceoryx_ns / 1e3, ring_ns / iceoryx_ns);
  bench_row(options, text, measured, against, "", -1);
}

/* Bursts with no reader, in turns. Returns the number of frames published into the ring. */
static uint64_t measure_publish(const bench_options *options, frame_size size, tele_producer *producer,
                                iox_pub_t publisher, tele_frame *frame) {
  static double ring_ns[TURNS_MAX], iceoryx_ns[TURNS_MAX];
  uint64_t bytes = frame_bytes(size), calls = (UINT64_C(2) << 20) / bytes + 1;
  size_t turns = options->smoke ? 5 : 200;
  for (size_t turn = 0; turn < turns; turn++) {
    uint64_t start_ns = tele_clock_mono_ns();
    for (uint64_t i = 0; i < calls; i++) bench_check(tele_producer_publish(producer, frame), "publish");
    uint64_t middle_ns = tele_clock_mono_ns();
    for (uint64_t i = 0; i < calls; i++) publish_iceoryx(publisher, frame, bytes);
    ring_ns[turn] = (double)(middle_ns - start_ns) / (double)calls;
    iceoryx_ns[turn] = (double)(tele_clock_mono_ns() - middle_ns) / (double)calls;
  }
  report(options, "publish, nobody waiting,", size, bench_quantile(ring_ns, turns, 0.5),
         bench_quantile(iceoryx_ns, turns, 0.5));
  return turns * calls;
}

static void measure(const bench_options *options, int size_index) {
  frame_size size = frame_sizes[size_index];
  uint64_t bytes = frame_bytes(size);
  size_t turns = options->smoke ? 10 : bytes < 1000000 ? TURNS_MAX : 200;
  uint8_t *pixels = malloc(bytes);
  tele_frame frame = bench_frame(size, pixels);
  tele_producer_options ring = {.payload_bytes_max = bytes};
  tele_producer *producer;
  const char *run_id = bench_run_id("iceoryx");
  results *results = mmap(NULL, sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int start[2], ready[2];
  if (results == MAP_FAILED || pipe(start) < 0 || pipe(ready) < 0) bench_check(-1, "pipe");
  pid_t pid = fork(); /* before the library and iceoryx know this process */
  if (pid == 0) {
    uint64_t frames_before;
    bench_pin(1);
    if (read(start[0], &frames_before, sizeof frames_before) != sizeof frames_before) exit(1);
    read_both(run_id, size_index, turns, frames_before, ready[1], results);
  }
  bench_pin(0);
  bench_check(tele_producer_open(run_id, &ring, &producer), "producer");
  iox_runtime_init("telebridge-bench-writer");
  iox_pub_options_t publisher_options;
  iox_pub_options_init(&publisher_options);
  iox_pub_storage_t storage;
  char event[16], byte;
  snprintf(event, sizeof event, "%d", size_index);
  iox_pub_t publisher = iox_pub_init(&storage, "telebridge", "bench", event, &publisher_options);
  uint64_t frames_before = measure_publish(options, size, producer, publisher, &frame);
  if (write(start[1], &frames_before, sizeof frames_before) < 0 || read(ready[0], &byte, 1) != 1) {
    bench_check(-1, "the reader failed");
  }
  while (!iox_pub_has_subscribers(publisher)) usleep(1000);
  for (size_t turn = 0; turn < turns; turn++) {
    bench_wait_until_asleep(&results->done, 2 * turn);
    frame.t_mono_ns = tele_clock_mono_ns();
    bench_check(tele_producer_publish(producer, &frame), "publish");
    bench_wait_until_asleep(&results->done, 2 * turn + 1);
    publish_iceoryx(publisher, &frame, bytes);
  }
  int ended;
  waitpid(pid, &ended, 0);
  bench_check(ended == 0 ? 0 : -1, "the reader failed");
  report(options, "publish to reader done, p50,", size, bench_quantile(results->ring_ns, turns, 0.5),
         bench_quantile(results->iceoryx_ns, turns, 0.5));
  report(options, "publish to reader done, p99,", size, bench_quantile(results->ring_ns, turns, 0.99),
         bench_quantile(results->iceoryx_ns, turns, 0.99));
  iox_pub_deinit(publisher);
  tele_producer_close(producer);
  munmap(results, sizeof *results);
  free(pixels);
}

/* iceoryx's runtime cannot be had twice in one process, hence a process for each size. */
int main(int argc, char **argv) {
  bench_options options = bench_parse(argc, argv);
  iox_set_loglevel(Iceoryx_LogLevel_Error);
  pid_t daemon = start_daemon();
  if (daemon < 0) {
    bench_row(&options, "the ring beside iceoryx", "SKIPPED", "iox-roudi does not start (Debian package iceoryx)", "",
              -1);
    bench_done(&options);
    return 0;
  }
  for (int i = 0; i < FRAME_SIZES_COUNT; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      measure(&options, i);
      exit(0);
    }
    waitpid(pid, NULL, 0);
    bench_rows_came_from_child();
  }
  kill(daemon, SIGTERM);
  waitpid(daemon, NULL, 0);
  bench_done(&options);
  return 0;
}
