/*
 * What an agent costs on an NVIDIA GPU, beside what its bus can do at best: pictures that OpenGL or CUDA has, as I420
 * in memory. Ends with 3 where there is no such GPU. --smoke: small, and content with Mesa and the double of NVIDIA's
 * driver: that it works, and no figure.
 *
 * bench/gpu.sh runs it, and ten agents after it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "clock.h"
#include "convert.h"
#include "cuda_gl.h"
#include "headless.h"
#include "readback.h"

#define NO_GPU 3
#define FRAMES_MAX 600
#define HZ_60_US (1e6 / 60)

typedef struct world {
  bench_options options;
  uint32_t width, height, frames;
  headless headless;
  unsigned texture;
  tele_slot_header header;
  uint8_t *pixels; /* RGBA, as the texture has them */
  double bus_us;   /* for a picture's I420 */
} world;

/* Begins and takes pictures by one way. */
typedef struct way {
  const char *name;
  int (*begin)(void *self);
  int (*take)(void *self, encoder_picture *picture);
  void *self;
} way;

static double cpu_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double now_us(void) { return (double)clock_mono_ns() / 1e3; }

static size_t i420_bytes(const world *world) { return (size_t)world->width * world->height / 2 * 3; }

/* ---- The machine ---------------------------------------------------------------------------------- */

static void find_gpu(world *world) {
  const cuda_library *cuda;
  int result = headless_open(-1, &world->headless);
  if (result == 0) result = cuda_library_get(&cuda);
  if (result == 0 && (!world->headless.gl.is_software || world->options.smoke)) return;
  fprintf(stderr, "no NVIDIA GPU here: nothing was run (%s)\n",
          result < 0 ? tele_error_message() : "OpenGL draws on the CPU");
  exit(NO_GPU);
}

static void show_machine(const world *world) {
  char json[16384], text[200];
  bench_check(tele_probe_cuda_json(json, sizeof json), "tele_probe_cuda_json");
  snprintf(text, sizeof text, "%.199s", json);
  bench_row(&world->options, "CUDA", text, "", "", -1);
  bench_row(&world->options, "OpenGL by EGL, without a display", world->headless.gl.renderer, "", "", -1);
  const encoder_probe *probe = encoder_probe_of(&encoder_nvenc);
  bench_row(&world->options, "NVENC", probe->detail, "", "", -1);
}

static int device_of(const world *world) {
  const int device = world->headless.cuda_device >= 0 ? world->headless.cuda_device : cuda_gl_device();
  bench_check(device, "CUDA's device that OpenGL draws on");
  return device;
}

static void draw(world *world) {
  const gl *gl = &world->headless.gl;
  const size_t bytes = (size_t)world->width * world->height * 4;
  world->header = (tele_slot_header){.format = TELE_FORMAT_RGBA8,
                                     .width = world->width,
                                     .height = world->height,
                                     .stride = world->width * 4,
                                     .bytes = (uint32_t)bytes};
  world->pixels = malloc(bytes);
  if (world->pixels == NULL) abort();
  uint32_t noise = 1;
  for (size_t i = 0; i < bytes; i++) {
    noise = noise * 1664525 + 1013904223;
    world->pixels[i] = (uint8_t)(noise >> 24);
  }
  gl->GenTextures(1, &world->texture);
  gl->BindTexture(GL_TEXTURE_2D, world->texture);
  gl->TexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, (int)world->width, (int)world->height, 0, GL_RGBA, GL_UNSIGNED_BYTE,
                 world->pixels);
  gl->TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
  gl->TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
}

/* ---- The bus -------------------------------------------------------------------------------------- */

/* Bare cuMemcpyDtoHAsync of a picture's bytes into pinned memory, one behind another. */
static void measure_bus(world *world) {
  cuda_device gpu;
  CUdeviceptr memory;
  CUstream stream;
  void *pinned;
  char measured[100];
  double best_us = 1e12;
  const size_t bytes = i420_bytes(world);
  bench_check(cuda_device_find(device_of(world), &gpu), "the device");
  bench_check(cuda_device_open(&gpu), "its context");
  bench_check(cuda_device_enter(&gpu), "its context");
  const cuda_library *cuda = gpu.library;
  bench_check(cuda_check(&gpu, "cuMemAlloc", cuda->memory_alloc(&memory, bytes)), "cuMemAlloc");
  bench_check(cuda_check(&gpu, "cuMemHostAlloc", cuda->host_alloc(&pinned, bytes, 0)), "cuMemHostAlloc");
  bench_check(cuda_check(&gpu, "cuStreamCreate", cuda->stream_create(&stream, CU_STREAM_NON_BLOCKING)), "a stream");
  /* The best of five: the limit is what the bus can do. */
  for (int round = 0; round < 5; round++) {
    const double begun_us = now_us();
    for (uint32_t i = 0; i < world->frames; i++) {
      bench_check(cuda_check(&gpu, "cuMemcpyDtoHAsync", cuda->copy_to_host(pinned, memory, bytes, stream)), "a copy");
    }
    bench_check(cuda_check(&gpu, "cuStreamSynchronize", cuda->stream_synchronize(stream)), "the copies");
    const double each_us = (now_us() - begun_us) / world->frames;
    if (each_us < best_us) best_us = each_us;
  }
  world->bus_us = best_us;
  snprintf(measured, sizeof measured, "%.1f us, %.2f GB/s", best_us, (double)bytes / best_us / 1e3);
  bench_row(&world->options, "the bus: a picture's I420 copied bare", measured, "", "", -1);
  cuda->stream_destroy(stream);
  cuda->host_free(pinned);
  cuda->memory_free(memory);
  cuda_device_leave(&gpu);
  cuda_device_close(&gpu);
}

/* ---- Ways ------------------------------------------------------------------------------------------- */

static unsigned texture_to_read;

static int begin_cuda(void *self) { return cuda_gl_begin(self, texture_to_read, false); }
static int take_cuda(void *self, encoder_picture *picture) { return cuda_gl_take(self, picture); }
static int begin_gl(void *self) { return readback_begin(self, texture_to_read, false); }
static int take_gl(void *self, encoder_picture *picture) { return readback_take(self, picture); }

static void show_equality(const world *world, const way *way) {
  converter *converter;
  encoder_picture found, expected;
  char measured[100];
  size_t different = 0;
  int farthest = 0;
  bench_check(converter_open(&converter), "a converter");
  bench_check(converter_run(converter, &world->header, world->pixels, &expected), "the CPU's conversion");
  bench_check(way->begin(way->self), way->name);
  bench_check(way->take(way->self, &found), way->name);
  for (int plane = 0; plane < 3; plane++) {
    const uint32_t width = plane == 0 ? world->width : world->width / 2;
    for (uint32_t row = 0; row < (plane == 0 ? world->height : world->height / 2); row++) {
      const uint8_t *a = found.planes[plane] + (ptrdiff_t)row * found.strides[plane];
      const uint8_t *b = expected.planes[plane] + (ptrdiff_t)row * expected.strides[plane];
      for (uint32_t i = 0; i < width; i++) {
        different += a[i] != b[i];
        if (abs(a[i] - b[i]) > farthest) farthest = abs(a[i] - b[i]);
      }
    }
  }
  converter_close(converter);
  char what[100];
  snprintf(what, sizeof what, "%s: bytes other than the CPU's", way->name);
  snprintf(measured, sizeof measured, "%zu of %zu, by %d at most", different, i420_bytes(world), farthest);
  bench_row(&world->options, what, measured, "", "by 1 at most", farthest <= 1);
}

/* Two in flight, as the agent does. */
static void measure_way(const world *world, const way *way) {
  static double samples_us[FRAMES_MAX];
  encoder_picture picture;
  char what[100], measured[120], against[80];
  bench_check(way->begin(way->self), way->name);
  const double cpu_before_us = cpu_us(), begun_us = now_us();
  for (uint32_t i = 0; i < world->frames; i++) {
    const double before_us = now_us();
    bench_check(way->begin(way->self), way->name);
    bench_check(way->take(way->self, &picture), way->name);
    samples_us[i] = now_us() - before_us;
  }
  const double each_us = (now_us() - begun_us) / world->frames,
               cpu_each_us = (cpu_us() - cpu_before_us) / world->frames;
  bench_check(way->take(way->self, &picture), way->name);
  const double p99_us = bench_quantile(samples_us, world->frames, 0.99);
  snprintf(what, sizeof what, "%s: converted and copied", way->name);
  snprintf(measured, sizeof measured, "%.1f us (p99 %.1f), %.1f us of CPU", each_us, p99_us, cpu_each_us);
  snprintf(against, sizeof against, "%.2f times the bus", each_us / world->bus_us);
  bench_row(&world->options, what, measured, against, "a 60th of a second", p99_us < HZ_60_US);
}

static void measure_shader(const world *world) {
  readback *readback;
  bench_check(readback_open(&world->headless.gl, world->width, world->height, true, &readback), "readback_open");
  const way way = {"a texture through a shader", begin_gl, take_gl, readback};
  show_equality(world, &way);
  measure_way(world, &way);
  readback_close(readback);
}

static void measure_cuda(const world *world) {
  cuda_gl *gl;
  bench_check(cuda_gl_open(device_of(world), world->width, world->height, true, &gl), "cuda_gl_open");
  const way way = {"a texture through CUDA", begin_cuda, take_cuda, gl};
  show_equality(world, &way);
  measure_way(world, &way);
  cuda_gl_close(gl, true);
}

int main(int argc, char **argv) {
  world world = {.options = bench_parse(argc, argv)};
  world.width = world.options.smoke ? 160 : 1920;
  world.height = world.options.smoke ? 90 : 1080;
  world.frames = world.options.smoke ? 4 : FRAMES_MAX;
  find_gpu(&world);
  show_machine(&world);
  draw(&world);
  texture_to_read = world.texture;
  measure_bus(&world);
  measure_shader(&world);
  measure_cuda(&world);
  free(world.pixels);
  bench_done(&world.options);
  fflush(stdout);
  _Exit(0); /* drivers are not asked to end well */
}
