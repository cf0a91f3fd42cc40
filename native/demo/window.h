/* window.h: what happened during the last second, for the HUD, to a 64th of a second. */
#ifndef DEMO_WINDOW_H
#define DEMO_WINDOW_H

#include <stdint.h>

#define WINDOW_BUCKETS 64

typedef struct window_sums {
  uint64_t steps;
  double reward;
  double absolute_error; /* of the temporal difference */
} window_sums;

typedef struct window {
  window_sums buckets[WINDOW_BUCKETS];
  uint64_t bucket_of[WINDOW_BUCKETS]; /* which 64th of a second, counted from 0, the bucket holds */
  uint64_t started_ns;                /* 0 = nothing yet */
} window;

void window_add(window *window, uint64_t now_ns, window_sums sums);

/* Sums of the second before now_ns; *seconds tells how much of it there was, over 0. */
window_sums window_total(const window *window, uint64_t now_ns, double *seconds);

#endif
