#include "bench.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const frame_size frame_sizes[FRAME_SIZES_COUNT] = {{84, 84, 3}, {160, 160, 3}, {1280, 720, 4}, {1920, 1080, 4}};

static int rows_count;

bench_options bench_parse(int argc, char **argv) {
  bench_options options = {.json = false};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0) {
      options.json = true;
    } else if (strcmp(argv[i], "--smoke") == 0) {
      options.smoke = true;
    } else {
      fprintf(stderr, "%s: unknown argument %s; --json and --smoke are known\n", argv[0], argv[i]);
      exit(2);
    }
  }
  if (options.json) printf("{\"rows\":[");
  fflush(stdout); /* or every fork would write it again */
  return options;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double bench_quantile(double *samples, size_t count, double p) {
  qsort(samples, count, sizeof *samples, compare);
  size_t rank = (size_t)(p * (double)count + 0.999999);
  return samples[rank == 0 ? 0 : rank - 1];
}

void bench_row(const bench_options *options, const char *what, const char *measured, const char *against,
               const char *limit, int met) {
  static const char *const verdicts[] = {"", "MISSED", "met"};
  if (options->json) {
    printf("%s{\"what\":\"%s\",\"measured\":\"%s\",\"against\":\"%s\",\"limit\":\"%s\",\"met\":%s}",
           rows_count++ == 0 ? "" : ",", what, measured, against, limit,
           met < 0 ? "null"
           : met   ? "true"
                   : "false");
  } else {
    printf("%-58s %-34s %-58s %s %s\n", what, measured, against, limit, verdicts[met + 1]);
  }
  fflush(stdout);
}

void bench_rows_came_from_child(void) { rows_count++; }

void bench_done(const bench_options *options) {
  if (options->json) printf("]}\n");
}

void bench_check(int result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "%s: %s\n", what, tele_error_message());
  exit(1);
}

const char *bench_run_id(const char *name) {
  static char id[TELE_RUN_ID_CHARS_MAX + 1];
  snprintf(id, sizeof id, "bench-%d-%s", (int)getpid(), name);
  return id;
}

tele_frame bench_frame(frame_size size, uint8_t *pixels) {
  uint32_t state = 1;
  for (uint64_t i = 0; i < frame_bytes(size); i++) pixels[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
  return (tele_frame){.pixels = pixels,
                      .width = size.width,
                      .height = size.height,
                      .format = size.channels == 3 ? TELE_FORMAT_RGB8 : TELE_FORMAT_RGBA8};
}

void bench_pin(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  sched_setaffinity(0, sizeof cores, &cores); /* fails where there is one core, which is then the one for both */
}

void bench_wait_until_asleep(const atomic_uint_fast64_t *done, uint64_t frames) {
  do {
    usleep(500);
  } while (atomic_load(done) < frames);
  usleep(200);
}
