/*
 * A worker for benchmarks: publishes cards at a steady rate for the price of a copy, so that the load is the product's.
 *
 *   publish_cards RUN WIDTH HEIGHT RATE_HZ           RGBA
 *   publish_cards RUN WIDTH HEIGHT RATE_HZ UNITS     the access units of a file that bare_encode wrote, over and over
 *
 * Prints one JSON object when the run is there: {"memcpyUs": p50 of a bare copy of such a frame}. Ends with its parent,
 * or by SIGTERM.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "bench.h"
#include "card.h"
#include "units.h"

#define NS_PER_S 1000000000ull

static volatile sig_atomic_t stopped;
static void stop(int number) {
  (void)number;
  stopped = 1;
}

/* Sleeps until that moment of CLOCK_MONOTONIC. */
static void sleep_until(uint64_t when_ns) {
  struct timespec when = {.tv_sec = (time_t)(when_ns / NS_PER_S), .tv_nsec = (long)(when_ns % NS_PER_S)};
  while (!stopped && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR) {
  }
}

typedef struct source {
  tele_frame frame;
  uint8_t *cards; /* CARDS_COUNT of them */
  uint64_t card_bytes;
  units units;
} source;

static void draw_cards(source *source) {
  source->frame.format = TELE_FORMAT_RGBA8;
  source->card_bytes = (uint64_t)source->frame.width * source->frame.height * 4;
  source->cards = malloc(source->card_bytes * CARDS_COUNT);
  if (source->cards == NULL) bench_check(-ENOMEM, "cards");
  for (uint32_t i = 0; i < CARDS_COUNT; i++) {
    card_draw(source->cards + i * source->card_bytes, source->frame.width, source->frame.height, i);
  }
}

static void load_units(source *source, const char *path) {
  source->frame.format = TELE_FORMAT_H264;
  source->card_bytes = 0;
  units_load(&source->units, path);
  for (size_t i = 0; i < source->units.count; i++) {
    if (source->units.all[i].bytes > source->card_bytes) source->card_bytes = source->units.all[i].bytes;
  }
}

static const tele_frame *next_frame(source *source, uint64_t number) {
  if (source->cards != NULL) {
    source->frame.pixels = source->cards + number % CARDS_COUNT * source->card_bytes;
  } else {
    const unit *unit = &source->units.all[number % source->units.count];
    source->frame.pixels = unit->start;
    source->frame.bytes = unit->bytes;
    source->frame.flags = unit->keyframe ? TELE_FRAME_KEYFRAME : 0;
  }
  source->frame.step = number;
  return &source->frame;
}

#define COPIES_COUNT 200
/* As far apart as the slots of a ring, so that what is written is as cold. */
#define COPIES_REGION_BYTES (64u << 20)

/* The least that handing a frame to another process costs, us. */
static double measure_memcpy(source *source) {
  static double samples_us[COPIES_COUNT];
  uint64_t spacing = source->card_bytes, places = COPIES_REGION_BYTES / spacing + 1;
  uint8_t *region = calloc(places, spacing);
  if (region == NULL) bench_check(-ENOMEM, "region");
  for (uint64_t i = 0; i < places + COPIES_COUNT; i++) {
    const tele_frame *frame = next_frame(source, i);
    uint64_t start_ns = tele_clock_mono_ns();
    memcpy(region + i % places * spacing, frame->pixels, frame->bytes > 0 ? frame->bytes : spacing);
    if (i >= places) samples_us[i - places] = (double)(tele_clock_mono_ns() - start_ns) / 1e3;
  }
  free(region);
  return bench_quantile(samples_us, COPIES_COUNT, 0.5);
}

int main(int argc, char **argv) {
  if (argc != 5 && argc != 6) {
    fprintf(stderr, "usage: publish_cards RUN WIDTH HEIGHT RATE_HZ [UNITS]\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  signal(SIGTERM, stop);
  source source = {.frame = {.width = (uint32_t)atoi(argv[2]), .height = (uint32_t)atoi(argv[3])}};
  if (argc == 5) {
    draw_cards(&source);
  } else {
    load_units(&source, argv[5]);
  }
  tele_producer_options options = {.payload_bytes_max = source.card_bytes};
  tele_producer *producer;
  bench_check(tele_producer_open(argv[1], &options, &producer), argv[1]);
  printf("{\"memcpyUs\":%.1f}\n", measure_memcpy(&source));
  fflush(stdout);
  uint64_t period_ns = (uint64_t)((double)NS_PER_S / atof(argv[4]));
  uint64_t due_ns = tele_clock_mono_ns();
  for (uint64_t number = 0; !stopped; number++) {
    bench_check(tele_producer_publish(producer, next_frame(&source, number)), "publish");
    due_ns += period_ns;
    sleep_until(due_ns);
  }
  tele_producer_close(producer);
  return 0;
}
