#include "window.h"

#define SECOND_NS 1000000000u
#define BUCKET_NS (SECOND_NS / WINDOW_BUCKETS)

void window_add(window *window, uint64_t now_ns, window_sums sums) {
  const uint64_t number = now_ns / BUCKET_NS;
  window_sums *bucket = &window->buckets[number % WINDOW_BUCKETS];
  if (window->started_ns == 0) {
    window->started_ns = now_ns;
  }
  if (window->bucket_of[number % WINDOW_BUCKETS] != number) {
    window->bucket_of[number % WINDOW_BUCKETS] = number;
    *bucket = (window_sums){0};
  }
  bucket->steps += sums.steps;
  bucket->reward += sums.reward;
  bucket->absolute_error += sums.absolute_error;
}

window_sums window_total(const window *window, uint64_t now_ns, double *seconds) {
  const uint64_t number = now_ns / BUCKET_NS;
  window_sums total = {0};
  for (int index = 0; index < WINDOW_BUCKETS; index++) {
    if (window->bucket_of[index] + WINDOW_BUCKETS > number) {
      total.steps += window->buckets[index].steps;
      total.reward += window->buckets[index].reward;
      total.absolute_error += window->buckets[index].absolute_error;
    }
  }
  const uint64_t lived_ns = now_ns - window->started_ns;
  *seconds = lived_ns >= SECOND_NS ? 1 : lived_ns < BUCKET_NS ? 1.0 / WINDOW_BUCKETS : (double)lived_ns / SECOND_NS;
  return total;
}
