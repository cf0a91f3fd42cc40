/*
 * OpenGL's textures through CUDA: real ones, drawn by Mesa, and the double of CUDA's driver, which reads them as it
 * maps them.
 */
#include <stdlib.h>

#include "convert.h"
#include "cuda_gl.h"
#include "encode.h"
#include "gpu_world.h"
#include "harness.h"
#include "headless.h"
#include "renderer.h"

#define WIDTH 96u
#define HEIGHT 54u

typedef struct drawn {
  headless headless;
  unsigned texture;
  uint8_t pixels[WIDTH * HEIGHT * 4];
} drawn;

static void open_drawn(drawn *drawn) {
  need_double();
  if (headless_open(-1, &drawn->headless) < 0) skip_test("%s", tele_error_message());
  srand(7);
  for (size_t i = 0; i < sizeof drawn->pixels; i++) drawn->pixels[i] = (uint8_t)(rand() >> 7);
  const gl *gl = &drawn->headless.gl;
  gl->GenTextures(1, &drawn->texture);
  gl->BindTexture(GL_TEXTURE_2D, drawn->texture);
  gl->TexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, WIDTH, HEIGHT, 0, GL_RGBA, GL_UNSIGNED_BYTE, drawn->pixels);
}

__attribute__((noreturn)) static void end(void) {
  expect_nothing_left();
  pass_test();
}

static void expect_texture(const encoder_picture *picture, const uint8_t *pixels) {
  const tele_slot_header header = {
      .format = TELE_FORMAT_RGBA8, .width = WIDTH, .height = HEIGHT, .stride = WIDTH * 4, .bytes = WIDTH * HEIGHT * 4};
  converter *converter;
  encoder_picture expected;
  CHECK_EQ(converter_open(&converter), 0);
  CHECK_EQ(converter_run(converter, &header, pixels, &expected), 0);
  for (int plane = 0; plane < 3; plane++) {
    const uint32_t width = plane == 0 ? WIDTH : WIDTH / 2, height = plane == 0 ? HEIGHT : HEIGHT / 2;
    for (uint32_t row = 0; row < height; row++) {
      CHECK(memcmp(picture->planes[plane] + (ptrdiff_t)row * picture->strides[plane],
                   expected.planes[plane] + (ptrdiff_t)row * expected.strides[plane], width) == 0);
    }
  }
  converter_close(converter);
}

static void textures_come_out_bit_for_bit(void) {
  static drawn drawn;
  static uint8_t turned[sizeof drawn.pixels];
  open_drawn(&drawn);
  for (uint32_t row = 0; row < HEIGHT; row++) {
    memcpy(turned + row * WIDTH * 4, drawn.pixels + (HEIGHT - 1 - row) * WIDTH * 4, WIDTH * 4);
  }
  cuda_gl *gl;
  encoder_picture picture;
  CHECK_EQ(cuda_gl_device(), 0);
  CHECK_EQ(cuda_gl_open(0, WIDTH, HEIGHT, true, &gl), 0);
  for (int i = 0; i < 6; i++) {
    CHECK_EQ(cuda_gl_begin(gl, drawn.texture, i % 2 != 0), 0);
    CHECK_EQ(cuda_gl_take(gl, &picture), 0);
    expect_texture(&picture, i % 2 != 0 ? turned : drawn.pixels);
  }
  cuda_gl_close(gl, true);
  end();
}

static void more_textures_than_are_kept_take_turns(void) {
  static drawn drawn;
  open_drawn(&drawn);
  const gl *functions = &drawn.headless.gl;
  unsigned textures[6];
  static uint8_t pixels[6][sizeof drawn.pixels];
  functions->GenTextures(6, textures);
  for (int i = 0; i < 6; i++) {
    memset(pixels[i], 40 * i, sizeof pixels[i]);
    functions->BindTexture(GL_TEXTURE_2D, textures[i]);
    functions->TexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, WIDTH, HEIGHT, 0, GL_RGBA, GL_UNSIGNED_BYTE, pixels[i]);
  }
  cuda_gl *gl;
  encoder_picture picture;
  CHECK_EQ(cuda_gl_open(0, WIDTH, HEIGHT, true, &gl), 0);
  for (int i = 0; i < 18; i++) {
    CHECK_EQ(cuda_gl_begin(gl, textures[i % 6], false), 0);
    CHECK_EQ(cuda_gl_take(gl, &picture), 0);
    expect_texture(&picture, pixels[i % 6]);
  }
  cuda_gl_close(gl, true);
  end();
}

/* ---- Failures ------------------------------------------------------------------------------------- */

static void fail_once(void *argument) {
  static drawn drawn;
  const char *plan = argument;
  char call[64];
  CHECK_EQ(sscanf(plan, "%63s", call), 1);
  open_drawn(&drawn);
  cuda_gl *gl;
  encoder_picture picture;
  setenv("NVENC_DOUBLE_FAIL", plan, 1);
  int failures = 0;
  int result = cuda_gl_open(0, WIDTH, HEIGHT, true, &gl);
  if (result < 0) {
    CHECK(gl == NULL);
    CHECK_MESSAGE(call);
    end();
  }
  /* A texture that was not unmapped could not be mapped again: the double aborts then. */
  for (int i = 0; i < 3; i++) {
    result = cuda_gl_begin(gl, drawn.texture, false);
    if (result < 0) {
      failures++;
      CHECK_EQ(result, -EIO);
      CHECK_MESSAGE(call);
      nvenc_double_counts counts;
      count_all(&counts);
      CHECK_EQ(counts.mapped, 0);
      continue;
    }
    CHECK_EQ(cuda_gl_take(gl, &picture), 0);
    expect_texture(&picture, drawn.pixels);
  }
  CHECK_EQ(failures, 1);
  cuda_gl_close(gl, true);
  end();
}

static void a_texture_is_unmapped_whatever_fails(void) {
  need_double();
  const char *const plans[] = {"cuStreamCreate 2 999",
                               "cuMemAlloc 1 999",
                               "cuGraphicsGLRegisterImage 1 999",
                               "cuGraphicsMapResources 2 999",
                               "cuGraphicsSubResourceGetMappedArray 2 999",
                               "cuArray3DGetDescriptor 2 999",
                               "cuTexObjectCreate 2 999",
                               "cuLaunchKernel 2 999",
                               "cuEventRecord 3 999",
                               "cuMemcpyDtoHAsync 2 999",
                               "cuCtxPushCurrent 3 999"};
  for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
    expect_child_done(start_child(fail_once, (void *)plans[i]));
  }
}

static void an_unmapping_that_fails_is_told(void) {
  static drawn drawn;
  open_drawn(&drawn);
  cuda_gl *gl;
  CHECK_EQ(cuda_gl_open(0, WIDTH, HEIGHT, false, &gl), 0);
  setenv("NVENC_DOUBLE_FAIL", "cuGraphicsUnmapResources 1 999", 1);
  CHECK_EQ(cuda_gl_begin(gl, drawn.texture, false), -EIO);
  CHECK_MESSAGE("NVENC double: cuGraphicsUnmapResources: CUDA_ERROR_UNKNOWN");
  cuda_gl_close(gl, true);
  end();
}

static void what_opengl_draws_elsewhere_is_found_out(void) {
  static drawn drawn;
  setenv("NVENC_DOUBLE_GPUS", "NVIDIA H200=none,NVIDIA L4", 1);
  setenv("NVENC_DOUBLE_GL", "1", 1);
  need_double();
  CHECK_EQ(cuda_gl_device(), -ENODEV); /* no context is current */
  CHECK_MESSAGE("cuGLGetDevices: CUDA_ERROR_INVALID_GRAPHICS_CONTEXT");
  open_drawn(&drawn);
  CHECK_EQ(cuda_gl_device(), 1);
  end();
}

/* ---- The agent's renderer ------------------------------------------------------------------------- */

/* Drawn, converted and encoded without a byte of the picture in memory; and what it fetched when the encoder failed. */
static void the_agents_pictures_stay_on_the_gpu(void) {
  const renderer_options options = {.width = 320, .height = 180, .gpu = -1};
  const agent_encoder_settings settings = {
      .width = 320, .height = 180, .fps_mhz = 30000, .bitrate_kbps = 2000, .gop_ms = 2000, .cuda_device = 1};
  const output_wishes wishes = {0};
  renderer *renderer;
  agent_encoder *encoder;
  need_double();
  if (renderer_open(&options, &renderer) < 0) skip_test("%s", tele_error_message());
  CHECK_EQ(agent_encoder_open(&settings, &encoder), 0);
  CHECK(agent_encoder_is_on_gpu(encoder));
  CHECK_EQ(renderer_keep_on_gpu(renderer, 0), 0);
  setenv("NVENC_DOUBLE_FAIL", "nvEncEncodePicture 4 20", 1);
  for (uint64_t i = 1; i <= 6; i++) {
    const scene_state state = {.frame = i, .seconds = (double)i / 30, .t_mono_ns = i * 33333333};
    encoder_picture picture;
    access_unit unit;
    CHECK_EQ(renderer_draw(renderer, &state), 0);
    CHECK_EQ(renderer_take(renderer, &picture, NULL), 0);
    CHECK(picture.device_address != 0 && picture.planes[0] == NULL);
    CHECK_EQ(agent_encode(encoder, &picture, state.t_mono_ns, &wishes, &unit), 0);
    CHECK_EQ(unit.keyframe, i == 1 || i == 4);
    CHECK_EQ(agent_encoder_is_on_gpu(encoder), i < 4);
  }
  agent_encoder_close(encoder);
  renderer_close(renderer);
  end();
}

static const test tests[] = {
    {"textures come out bit for bit", textures_come_out_bit_for_bit},
    {"more textures than are kept take turns", more_textures_than_are_kept_take_turns},
    {"a texture is unmapped whatever fails", a_texture_is_unmapped_whatever_fails},
    {"an unmapping that fails is told", an_unmapping_that_fails_is_told},
    {"what OpenGL draws elsewhere is found out", what_opengl_draws_elsewhere_is_found_out},
    {"the agent's pictures stay on the GPU", the_agents_pictures_stay_on_the_gpu},
};
SUITE_ON_REQUEST(gpu_textures, tests);
