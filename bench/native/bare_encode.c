/*
 * What a live run's frames cost without us: libyuv and the encoder alone, frame by frame as they come.
 *
 *   bare_encode RUN ENCODER FRAMES [UNITS]
 *
 * Attaches to the run as its controller (so nobody else may be), takes FRAMES of its newest frames, and prints one JSON
 * object: p50 and p99 of each stage in us, p50 of their sum, and the bytes of a packet. UNITS names a file for the
 * access units (units.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "convert.h"
#include "units.h"

typedef enum stage { WAKE, CONVERT, ENCODE, SUM, STAGES_COUNT } stage;
static const char *const stage_names[STAGES_COUNT] = {"wake", "convert", "encode", "sum"};

typedef struct bench {
  tele_hub *hub;
  tele_reader *reader;
  converter *converter;
  encoder *encoder;
  uint64_t last_frame;
  double *samples[STAGES_COUNT]; /* us */
  uint64_t bytes;
  FILE *units;
} bench;

static double us_since(uint64_t start_ns) { return (double)(tele_clock_mono_ns() - start_ns) / 1e3; }

static void open_encoder(bench *bench, tele_encoder_kind kind, const encoder_picture *picture) {
  encoder_config config = {.width = picture->width,
                           .height = picture->height,
                           .fps_mhz = 60000,
                           .bitrate_kbps = encoder_default_kbps(picture->width, picture->height, 60000)};
  char note[160];
  bench_check(encoder_open(kind, 0, &config, &bench->encoder, note, sizeof note), "encoder");
}

/* Waits for the next frame and does to it what must be done. */
static void take_frame(bench *bench, tele_encoder_kind kind, size_t index) {
  tele_hub_event event = {.kind = 0};
  bench_check(tele_hub_arm(bench->hub, 1, bench->last_frame, 0), "arm");
  while (tele_hub_next(bench->hub, 1000, &event, 1) != 1 || event.kind != TELE_HUB_FRAME) {
    if (event.kind == TELE_HUB_CLOSED || event.kind == TELE_HUB_DEAD) bench_check(-EPIPE, "the run ended");
  }
  uint64_t woken_ns = tele_clock_mono_ns();
  tele_slot_header header;
  const void *pixels;
  if (tele_reader_begin(bench->reader, bench->last_frame, TELE_READ_NEWEST, &header, &pixels) != 1) {
    bench_check(-EIO, "read");
  }
  bench->samples[WAKE][index] = (double)(woken_ns - header.t_mono_ns) / 1e3;
  encoder_picture picture;
  uint64_t start_ns = tele_clock_mono_ns();
  bench_check(converter_run(bench->converter, &header, pixels, &picture), "convert");
  bench->samples[CONVERT][index] = us_since(start_ns);
  if (bench->encoder == NULL) open_encoder(bench, kind, &picture);
  access_unit unit;
  start_ns = tele_clock_mono_ns();
  bench_check(bench->encoder->backend->encode(bench->encoder, &picture, false, &unit), "encode");
  bench->samples[ENCODE][index] = us_since(start_ns);
  bench->samples[SUM][index] = bench->samples[CONVERT][index] + bench->samples[ENCODE][index];
  bench->bytes += unit.bytes_count;
  bench->last_frame = header.frame;
  if (bench->units != NULL) units_write(bench->units, unit.bytes, (uint32_t)unit.bytes_count, unit.keyframe);
}

static tele_encoder_kind kind_of(const char *name) {
  for (size_t i = 0; i < encoder_candidates_count; i++) {
    if (strcmp(encoder_candidates[i]->name, name) == 0) return encoder_candidates[i]->kind;
  }
  fprintf(stderr, "bare_encode: there is no encoder \"%s\"\n", name);
  exit(2);
}

int main(int argc, char **argv) {
  if (argc != 4 && argc != 5) {
    fprintf(stderr, "usage: bare_encode RUN ENCODER FRAMES [UNITS]\n");
    return 2;
  }
  tele_encoder_kind kind = kind_of(argv[2]);
  size_t frames = (size_t)atol(argv[3]);
  bench bench = {.units = argc == 5 ? fopen(argv[4], "wb") : NULL};
  if (argc == 5 && bench.units == NULL) bench_check(-errno, argv[4]);
  for (int i = 0; i < STAGES_COUNT; i++) bench.samples[i] = calloc(frames, sizeof(double));
  tele_controller *controller;
  bench_check(tele_reader_open(argv[1], &bench.reader), argv[1]);
  bench_check(tele_controller_open(bench.reader, &controller), argv[1]);
  bench_check(tele_hub_create(&bench.hub), "hub");
  bench_check(tele_hub_add(bench.hub, 1, bench.reader, controller), "hub");
  bench_check(converter_open(&bench.converter), "converter");
  for (size_t i = 0; i < frames; i++) take_frame(&bench, kind, i);
  printf("{\"encoder\":\"%s\",\"bytesPerPacket\":%.0f", bench.encoder->name, (double)bench.bytes / (double)frames);
  for (int i = 0; i < STAGES_COUNT; i++) {
    printf(",\"%s\":{\"p50Us\":%.1f", stage_names[i], bench_quantile(bench.samples[i], frames, 0.5));
    printf(",\"p99Us\":%.1f}", bench_quantile(bench.samples[i], frames, 0.99));
  }
  printf("}\n");
  if (bench.units != NULL) fclose(bench.units);
  bench.encoder->backend->close(bench.encoder);
  converter_close(bench.converter);
  tele_hub_destroy(bench.hub);
  tele_controller_close(controller);
  tele_reader_close(bench.reader);
  return 0;
}
