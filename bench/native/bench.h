/* Samples, their order statistics, and rows for people or (with --json) for bench/native.ts. */
#ifndef BENCH_H
#define BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "telebridge.h"

typedef struct bench_options {
  bool json;
  bool smoke; /* small sizes: that it works, not how fast */
} bench_options;

typedef struct frame_size {
  uint32_t width, height, channels;
} frame_size;

#define FRAME_SIZES_COUNT 4
extern const frame_size frame_sizes[FRAME_SIZES_COUNT];

static inline uint64_t frame_bytes(frame_size size) { return (uint64_t)size.width * size.height * size.channels; }

/* --json, --smoke. Anything else ends the program with a text. */
bench_options bench_parse(int argc, char **argv);

/* The p-quantile (0 to 1) by nearest rank. Sorts the samples. */
double bench_quantile(double *samples, size_t count, double p);

/* A row: what was measured, the figure, what stands beside it, the limit in words and whether it was kept (-1 = there
 * is none). printf-style pieces are the caller's business; every text may be up to 200 characters. */
void bench_row(const bench_options *options, const char *what, const char *measured, const char *against,
               const char *limit, int met);

/* A child process wrote rows meanwhile. */
void bench_rows_came_from_child(void);

/* Ends the JSON object. */
void bench_done(const bench_options *options);

/* Ends the program when a call of the library failed. */
void bench_check(int result, const char *what);

/* "bench-<pid>-<name>" */
const char *bench_run_id(const char *name);

/* A frame of random-looking pixels. */
tele_frame bench_frame(frame_size size, uint8_t *pixels);

/* Keeps this process on one core, 0 for the producer and 1 for its reader, where there are two. Left alone, the
 * scheduler runs the woken reader on the producer's own core after a bare send (a "sync" wake-up, which stalls the
 * sender for as long as the reader runs) and on another one after epoll: placement would be measured, not the lane. */
void bench_pin(int core);

/* Until a reader in another process has done so many frames, and has gone to wait for the next one. */
void bench_wait_until_asleep(const atomic_uint_fast64_t *done, uint64_t frames);

#endif
