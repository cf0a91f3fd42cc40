/*
 * Reads, as many as asked for, of a ring that another process writes at full speed: how many were torn (each frame
 * carries a checksum) and how often a read had to be repeated. `ring_soak --reads 1000000000` is the long run by hand.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define WORDS 512u /* 32 x 32 RGBA */
#define CAPACITY 4u

/* One word chain per frame, so that bytes of two frames never agree with one checksum. */
static void paint(uint64_t *words, uint64_t number) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < WORDS - 1; i++) {
    words[i] = (number + i) * UINT64_C(0x9E3779B97F4A7C15);
    sum = (sum ^ words[i]) * 31;
  }
  words[WORDS - 1] = sum;
}

static bool is_whole(const tele_slot_header *header, const uint64_t *words) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < WORDS - 1; i++) sum = (sum ^ words[i]) * 31;
  return sum == words[WORDS - 1] && words[0] == header->step * UINT64_C(0x9E3779B97F4A7C15) &&
         header->frame == header->step;
}

static void write_for_ever(tele_producer *producer) {
  static uint64_t words[WORDS];
  for (uint64_t number = 1;; number++) {
    paint(words, number);
    tele_frame frame = {
        .pixels = words, .width = 32, .height = WORDS * 8 / 128, .format = TELE_FORMAT_RGBA8, .step = number};
    bench_check(tele_producer_publish(producer, &frame), "publish");
  }
}

/* The newest whole frame each time, also when it was read before: that is where a reader meets the writer. */
static void read_frames(tele_reader *reader, uint64_t reads_asked, uint64_t *torn) {
  static uint64_t buffer[TELE_SLOT_HEADER_BYTES / 8 + WORDS];
  uint64_t bytes;
  for (uint64_t read = 0; read < reads_asked;) {
    int result = tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes);
    bench_check(result, "read");
    if (result != 1) continue;
    read++;
    *torn += !is_whole((const tele_slot_header *)buffer, buffer + TELE_SLOT_HEADER_BYTES / 8);
  }
}

/* --reads N, taken out of the arguments. */
static uint64_t parse_reads(int *argc, char **argv) {
  for (int i = 1; i + 1 < *argc; i++) {
    if (strcmp(argv[i], "--reads") != 0) continue;
    uint64_t reads = strtoull(argv[i + 1], NULL, 10);
    for (int j = i + 2; j <= *argc; j++) argv[j - 2] = argv[j];
    *argc -= 2;
    return reads;
  }
  return 0;
}

int main(int argc, char **argv) {
  uint64_t reads_asked = parse_reads(&argc, argv);
  bench_options options = bench_parse(argc, argv);
  if (reads_asked == 0) reads_asked = options.smoke ? 20000 : 5000000;
  tele_reader *reader;
  const char *run_id = bench_run_id("soak");
  pid_t pid = fork();
  if (pid == 0) {
    tele_producer_options ring = {.payload_bytes_max = WORDS * 8, .capacity = CAPACITY};
    tele_producer *producer;
    bench_check(tele_producer_open(run_id, &ring, &producer), "producer");
    write_for_ever(producer);
  }
  while (tele_reader_open(run_id, &reader) < 0) usleep(1000);
  uint64_t torn = 0, reads, retries;
  uint64_t start_ns = tele_clock_mono_ns();
  read_frames(reader, reads_asked, &torn);
  double seconds = (double)(tele_clock_mono_ns() - start_ns) / 1e9;
  tele_reader_counters(reader, &reads, &retries);
  tele_status status;
  bench_check(tele_reader_status(reader, &status), "status");
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  tele_reader_remove_stale(reader);
  tele_reader_close(reader);
  char measured[200], against[200];
  snprintf(against, sizeof against, "%.1f s, %llu frames written meanwhile", seconds, (unsigned long long)status.head);
  snprintf(measured, sizeof measured, "%llu of %llu reads", (unsigned long long)torn, (unsigned long long)reads_asked);
  bench_row(&options, "torn frames accepted, 4 KiB in 4 slots", measured, against, "none", torn == 0);
  double share = 100.0 * (double)retries / (double)reads;
  snprintf(measured, sizeof measured, "%llu, %.4f%%", (unsigned long long)retries, share);
  bench_row(&options, "reads repeated, 4 KiB in 4 slots", measured, against, "0.1%", share <= 0.1);
  bench_done(&options);
  return torn == 0 ? 0 : 1;
}
