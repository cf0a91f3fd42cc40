/*
 * What a frame costs from the ring's pixels to an access unit, for every encoder that works here: bare calls in one
 * thread, without ring, waiting and network.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "card.h"
#include "convert.h"
#include "decoder.h"
#include "encoder.h"

#define FPS 60
#define FRAMES_MAX (5 * FPS)
#define FRAME_MS_MAX (1000.0 / FPS)
typedef struct scene {
  uint32_t width, height;
  uint8_t *frames[CARDS_COUNT];
} scene;

static scene make_scene(uint32_t width, uint32_t height) {
  scene made = {.width = width, .height = height};
  for (uint32_t i = 0; i < CARDS_COUNT; i++) {
    made.frames[i] = malloc((size_t)width * height * 4);
    card_draw(made.frames[i], width, height, i);
  }
  return made;
}

static double squared_error(const encoder_picture *a, const encoder_picture *b) {
  double sum = 0;
  for (uint32_t y = 0; y < a->height; y++) {
    const uint8_t *one = a->planes[0] + (size_t)y * (size_t)a->strides[0];
    const uint8_t *other = b->planes[0] + (size_t)y * (size_t)b->strides[0];
    uint32_t row_sum = 0;
    for (uint32_t x = 0; x < a->width; x++) row_sum += (uint32_t)((one[x] - other[x]) * (one[x] - other[x]));
    sum += row_sum;
  }
  return sum / a->width / a->height;
}

static double ms_since(uint64_t start_ns) { return (double)(tele_clock_mono_ns() - start_ns) / 1e6; }

static void measure(const bench_options *options, const scene *scene, const encoder_backend *backend) {
  static double convert_ms[FRAMES_MAX], encode_ms[FRAMES_MAX];
  encoder_config config = {.width = scene->width,
                           .height = scene->height,
                           .fps_mhz = FPS * 1000,
                           .bitrate_kbps = encoder_default_kbps(scene->width, scene->height, FPS * 1000),
                           .quality = 80};
  tele_slot_header header = {.width = scene->width,
                             .height = scene->height,
                             .format = TELE_FORMAT_RGBA8,
                             .stride = scene->width * 4,
                             .bytes = scene->width * scene->height * 4};
  converter *converter;
  decoder *decoder;
  encoder *encoder;
  bench_check(converter_open(&converter), "converter");
  bench_check(decoder_open(&decoder), "decoder");
  bench_check(backend->open(&config, &encoder), backend->name);
  uint32_t frames = options->smoke ? 10 : FRAMES_MAX;
  double bytes = 0, bytes_max = 0, error = 0;
  for (uint32_t i = 0; i < frames; i++) {
    encoder_picture picture, decoded;
    access_unit unit;
    uint64_t start_ns = tele_clock_mono_ns();
    bench_check(converter_run(converter, &header, scene->frames[i % CARDS_COUNT], &picture), "convert");
    convert_ms[i] = ms_since(start_ns);
    start_ns = tele_clock_mono_ns();
    bench_check(backend->encode(encoder, &picture, false, &unit), backend->name);
    encode_ms[i] = ms_since(start_ns);
    bytes += (double)unit.bytes_count;
    if (unit.bytes_count > bytes_max) bytes_max = (double)unit.bytes_count;
    if (backend->kind == TELE_ENCODER_JPEG) continue;
    if (decoder_run(decoder, unit.bytes, unit.bytes_count, &decoded) != 1) bench_check(-1, "decode");
    error += squared_error(&picture, &decoded) / frames;
  }
  char what[200], measured[200], against[200], quality[40];
  double first_ms = encode_ms[0], encode_p50 = bench_quantile(encode_ms, frames, 0.5);
  double encode_p99 = bench_quantile(encode_ms, frames, 0.99);
  snprintf(quality, sizeof quality, backend->kind == TELE_ENCODER_JPEG ? "quality 80" : "luma %.1f dB",
           10 * log10(255 * 255 / error));
  snprintf(what, sizeof what, "%s, %u x %u RGBA", encoder->name, scene->width, scene->height);
  snprintf(measured, sizeof measured, "p50 %.2f, p99 %.2f, first %.2f ms", encode_p50, encode_p99, first_ms);
  snprintf(against, sizeof against, "convert %.2f ms; %.0f of %u kbit/s, most %.1f frames' share; %s",
           bench_quantile(convert_ms, frames, 0.5), bytes * 8 / 1000 * FPS / frames, config.bitrate_kbps,
           bytes_max * 8 / 1000 * FPS / config.bitrate_kbps, quality);
  bench_row(options, what, measured, against, "p99 within 1/60 s", options->smoke ? -1 : encode_p99 < FRAME_MS_MAX);
  backend->close(encoder);
  decoder_close(decoder);
  converter_close(converter);
}

int main(int argc, char **argv) {
  static const uint32_t sizes[][2] = {{854, 480}, {1280, 720}, {1920, 1080}};
  bench_options options = bench_parse(argc, argv);
  for (size_t i = 0; i < (options.smoke ? 1 : sizeof sizes / sizeof sizes[0]); i++) {
    uint32_t shrink = options.smoke ? 2 : 1;
    scene scene = make_scene(sizes[i][0] / shrink & ~1u, sizes[i][1] / shrink);
    for (size_t k = 0; k < encoder_candidates_count; k++) {
      const encoder_probe *probe = encoder_probe_of(encoder_candidates[k]);
      if (probe->result == 0) {
        measure(&options, &scene, encoder_candidates[k]);
      } else if (i == 0) {
        fprintf(stderr, "SKIPPED: %s: %s\n", encoder_candidates[k]->name, probe->detail);
      }
    }
    for (uint32_t frame = 0; frame < CARDS_COUNT; frame++) free(scene.frames[frame]);
  }
  bench_done(&options);
  return 0;
}
