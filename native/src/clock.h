/* Clocks and naps, in nanoseconds. */
#ifndef TELE_CLOCK_H
#define TELE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

static inline uint64_t clock_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_mono_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
static inline uint64_t clock_real_ns(void) { return clock_ns(CLOCK_REALTIME); }

static inline struct timespec timespec_of_ns(uint64_t ns) {
  return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* Sleeps for ns, or less when a signal comes. */
static inline void nap_ns(uint64_t ns) {
  struct timespec duration = timespec_of_ns(ns);
  clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
}

#endif
