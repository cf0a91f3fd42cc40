/*
 * What an agent's picture costs before it is encoded: drawing it, and reading it as I420 by the CPU and by shader,
 * beside a copy of as many bytes. On whatever EGL finds: a GPU, or Mesa's llvmpipe, where all of it is CPU time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "headless.h"
#include "readback.h"
#include "scene.h"

#define PICTURES_MAX 300
#define SOFTWARE_MS_MAX 3.0 /* to draw and read 640 x 360: ten agents at 30 Hz then leave two cores time to encode */
#define WAIT_NS_MAX 10000000000u

typedef struct costs {
  double draw_ms[PICTURES_MAX], read_ms[PICTURES_MAX], copy_ms[PICTURES_MAX];
} costs;

typedef struct target {
  unsigned texture, depth, framebuffer;
} target;

static target make_target(const gl *gl, int width, int height) {
  target made;
  gl->GenTextures(1, &made.texture);
  gl->BindTexture(GL_TEXTURE_2D, made.texture);
  gl->TexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, width, height, 0, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
  gl->GenRenderbuffers(1, &made.depth);
  gl->BindRenderbuffer(GL_RENDERBUFFER, made.depth);
  gl->RenderbufferStorage(GL_RENDERBUFFER, GL_DEPTH_COMPONENT24, width, height);
  gl->GenFramebuffers(1, &made.framebuffer);
  gl->BindFramebuffer(GL_FRAMEBUFFER, made.framebuffer);
  gl->FramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, made.texture, 0);
  gl->FramebufferRenderbuffer(GL_FRAMEBUFFER, GL_DEPTH_ATTACHMENT, GL_RENDERBUFFER, made.depth);
  bench_check(gl_check(gl, "make what is drawn into"), "target");
  return made;
}

static void end_target(const gl *gl, const target *target) {
  gl->DeleteFramebuffers(1, &target->framebuffer);
  gl->DeleteRenderbuffers(1, &target->depth);
  gl->DeleteTextures(1, &target->texture);
}

/* Of this process, all threads; on a GPU the wall clock's: the CPU waits there. */
static double ms_now(bool is_software) {
  struct timespec now;
  clock_gettime(is_software ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void wait_until_drawn(const gl *gl) {
  gl_sync fence = gl->FenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0);
  gl->ClientWaitSync(fence, GL_SYNC_FLUSH_COMMANDS_BIT, WAIT_NS_MAX);
  gl->DeleteSync(fence);
}

static void measure(const gl *gl, frame_size size, bool by_shader, uint32_t pictures, costs *costs) {
  size_t planes_bytes = (size_t)size.width * size.height * 3 / 2;
  uint8_t *from = calloc(1, planes_bytes), *to = calloc(1, planes_bytes);
  target target = make_target(gl, (int)size.width, (int)size.height);
  scene *scene;
  readback *readback;
  if (from == NULL || to == NULL) abort();
  bench_check(scene_open(gl, size.width, size.height, &scene), "scene");
  bench_check(readback_open(gl, size.width, size.height, by_shader, &readback), "readback");
  /* The first ones compile shaders. */
  for (int32_t i = -5; i < (int32_t)pictures; i++) {
    const scene_state state = {.frame = (uint64_t)(i + 5), .seconds = (i + 5) / 10.0};
    encoder_picture picture;
    gl->BindFramebuffer(GL_FRAMEBUFFER, target.framebuffer);
    double start_ms = ms_now(gl->is_software);
    scene_draw(scene, &state);
    wait_until_drawn(gl);
    double drawn_ms = ms_now(gl->is_software);
    bench_check(readback_begin(readback, target.texture, false), "read");
    bench_check(readback_take(readback, &picture), "read");
    double read_ms = ms_now(gl->is_software);
    memcpy(to, from, planes_bytes);
    double copied_ms = ms_now(gl->is_software);
    from[i + 5] = to[i + 5] + 1; /* or there would be nothing to copy */
    if (i < 0) continue;
    costs->draw_ms[i] = drawn_ms - start_ms;
    costs->read_ms[i] = read_ms - drawn_ms;
    costs->copy_ms[i] = copied_ms - read_ms;
  }
  readback_close(readback);
  scene_close(scene);
  end_target(gl, &target);
  free(from);
  free(to);
}

static void show(const bench_options *options, const gl *gl, frame_size size, bool by_shader, uint32_t pictures,
                 costs *costs) {
  char what[200], measured[200], against[200], limit[80] = "";
  double draw_ms = bench_quantile(costs->draw_ms, pictures, 0.5),
         read_ms = bench_quantile(costs->read_ms, pictures, 0.5);
  bool is_limited = gl->is_software && !by_shader && size.width == 640;
  snprintf(what, sizeof what, "%s, %u x %u, read by %s", gl->is_software ? "software GL" : "GL", size.width,
           size.height, by_shader ? "shader" : "CPU");
  snprintf(measured, sizeof measured, "draw %.2f, convert and read %.2f ms", draw_ms, read_ms);
  snprintf(against, sizeof against, "memcpy of its I420 %.3f ms; p99 %.2f and %.2f ms; %.60s",
           bench_quantile(costs->copy_ms, pictures, 0.5), bench_quantile(costs->draw_ms, pictures, 0.99),
           bench_quantile(costs->read_ms, pictures, 0.99), gl->renderer);
  if (is_limited) snprintf(limit, sizeof limit, "at most %.0f ms of CPU in all", SOFTWARE_MS_MAX);
  bench_row(options, what, measured, against, limit,
            is_limited && !options->smoke ? draw_ms + read_ms <= SOFTWARE_MS_MAX : -1);
}

int main(int argc, char **argv) {
  static const frame_size sizes[] = {{640, 360, 4}, {1280, 720, 4}, {1920, 1080, 4}};
  static costs costs;
  bench_options options = bench_parse(argc, argv);
  headless headless;
  if (headless_open(-1, &headless) < 0) {
    fprintf(stderr, "SKIPPED: %s\n", tele_error_message());
    bench_done(&options);
    return 0;
  }
  uint32_t pictures = options.smoke ? 5 : PICTURES_MAX;
  for (size_t i = 0; i < (options.smoke ? 1 : sizeof sizes / sizeof sizes[0]); i++) {
    for (int by_shader = 0; by_shader < 2; by_shader++) {
      measure(&headless.gl, sizes[i], by_shader != 0, pictures, &costs);
      show(&options, &headless.gl, sizes[i], by_shader != 0, pictures, &costs);
    }
  }
  headless_close(&headless);
  bench_done(&options);
  return 0;
}
