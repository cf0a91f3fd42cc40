/* random.h: a small seeded generator, so that a run of the demo can be repeated. */
#ifndef DEMO_RANDOM_H
#define DEMO_RANDOM_H

#include <stdint.h>

typedef struct random_source {
  uint64_t state;
} random_source;

/* SplitMix64 (Steele, Lea, Flood 2014): every seed, 0 included, gives a good sequence. */
static inline uint64_t random_next(random_source *source) {
  uint64_t z = source->state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* Uniform in [0, 1). */
static inline double random_unit(random_source *source) { return (double)(random_next(source) >> 11) * 0x1p-53; }

#endif
