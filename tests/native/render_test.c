/* The agent's picture, drawn by whatever EGL finds here: mostly Mesa's llvmpipe. */
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "card.h"
#include "decoder.h"
#include "harness.h"
#include "renderer.h"

#define BAR_BITS 20

static renderer *open_renderer(uint32_t width, uint32_t height, renderer_conversion conversion) {
  const renderer_options options = {.width = width, .height = height, .gpu = -1, .conversion = conversion};
  renderer *made;
  int result = renderer_open(&options, &made);
  if (result == -ENODEV) skip_test("%s", tele_error_message());
  CHECK_EQ(result, 0);
  return made;
}

static scene_state state_of(uint64_t frame) {
  return (scene_state){
      .frame = frame, .seconds = (double)frame / 30, .t_real_ns = 1763746800123456789, .t_mono_ns = frame + 7};
}

static encoder_picture draw(renderer *renderer, const scene_state *state) {
  encoder_picture picture;
  CHECK_EQ(renderer_draw(renderer, state), 0);
  CHECK_EQ(renderer_take(renderer, &picture, NULL), 0);
  return picture;
}

/* As tests/harness/video_card.ts does: -1 when the code is not whole. */
static int64_t bar_code(const encoder_picture *picture) {
  uint32_t width = picture->width / BAR_BITS, height = picture->height / 20, top = picture->height / 20;
  int64_t number = 0;
  for (uint32_t bit = 0; bit < BAR_BITS; bit++) {
    const uint8_t *middle =
        picture->planes[0] + (top + height / 2) * (uint32_t)picture->strides[0] + bit * width + width / 2;
    bool is_set = middle[0] > 127, complement = middle[height * (uint32_t)picture->strides[0]] > 127;
    if (is_set == complement) return -1;
    number |= (int64_t)is_set << bit;
  }
  return number;
}

static void a_picture_carries_its_number_through_the_encoder(void) {
  renderer *renderer = open_renderer(320, 180, RENDERER_AUTO);
  const encoder_config config = {.width = 320, .height = 180, .fps_mhz = 30000, .bitrate_kbps = 500};
  encoder *encoder;
  decoder *decoder;
  CHECK_EQ(encoder_openh264.open(&config, &encoder), 0);
  CHECK_EQ(decoder_open(&decoder), 0);
  for (uint64_t frame = 0x5a5a3; frame < 0x5a5a3 + 12; frame++) {
    scene_state state = state_of(frame);
    encoder_picture picture = draw(renderer, &state), decoded;
    access_unit unit;
    CHECK_EQ(bar_code(&picture), (int64_t)frame);
    CHECK_EQ(encoder->backend->encode(encoder, &picture, false, &unit), 0);
    CHECK_EQ(decoder_run(decoder, unit.bytes, unit.bytes_count, &decoded), 1);
    CHECK_EQ(bar_code(&decoded), (int64_t)frame);
    CHECK(card_psnr(&picture, &decoded) > 26);
  }
  decoder_close(decoder);
  encoder->backend->close(encoder);
  renderer_close(renderer);
  pass_test();
}

/* Copies, since a renderer's planes go with it. */
static card keep(const encoder_picture *picture) {
  card kept = card_make(picture->width, picture->height);
  for (int plane = 0; plane < 3; plane++) {
    uint32_t shrink = plane == 0 ? 1 : 2;
    for (uint32_t row = 0; row < picture->height / shrink; row++) {
      memcpy(kept.planes[plane] + row * (uint32_t)kept.picture.strides[plane],
             picture->planes[plane] + row * (uint32_t)picture->strides[plane], picture->width / shrink);
    }
  }
  return kept;
}

static int difference_most(const encoder_picture *a, const encoder_picture *b) {
  int most = 0;
  for (int plane = 0; plane < 3; plane++) {
    uint32_t shrink = plane == 0 ? 1 : 2;
    for (uint32_t row = 0; row < a->height / shrink; row++) {
      const uint8_t *one = a->planes[plane] + row * (uint32_t)a->strides[plane];
      const uint8_t *other = b->planes[plane] + row * (uint32_t)b->strides[plane];
      for (uint32_t x = 0; x < a->width / shrink; x++)
        most = abs(one[x] - other[x]) > most ? abs(one[x] - other[x]) : most;
    }
  }
  return most;
}

/* Sides that are no multiple of the shader's four bytes a texel. */
static void shader_and_cpu_give_the_same_picture(void) {
  const scene_state state = state_of(4711);
  card kept[2];
  for (int i = 0; i < 2; i++) {
    renderer *renderer = open_renderer(326, 178, i == 0 ? RENDERER_BY_SHADER : RENDERER_BY_CPU);
    CHECK(strstr(renderer_describe(renderer), i == 0 ? "by shader" : "by the CPU") != NULL);
    encoder_picture picture = draw(renderer, &state);
    kept[i] = keep(&picture);
    renderer_close(renderer);
  }
  CHECK(difference_most(&kept[0].picture, &kept[1].picture) <= 1);
  CHECK_EQ(bar_code(&kept[0].picture), 4711);
  card_free(&kept[0]);
  card_free(&kept[1]);
  pass_test();
}

/* What is taken stays whole while two more are begun. */
static void pictures_come_in_their_order(renderer_conversion conversion) {
  renderer *renderer = open_renderer(160, 90, conversion);
  encoder_picture picture;
  scene_state state = state_of(1), taken;
  CHECK_EQ(renderer_take(renderer, &picture, &taken), -ENODATA);
  CHECK_EQ(renderer_draw(renderer, &state), 0);
  for (uint64_t frame = 2; frame < 9; frame++) {
    state = state_of(frame);
    CHECK_EQ(renderer_draw(renderer, &state), 0);
    CHECK_EQ(renderer_draw(renderer, &state), -EBUSY);
    CHECK_EQ(renderer_take(renderer, &picture, &taken), 0);
    CHECK_EQ(taken.frame, frame - 1);
    CHECK_EQ(taken.t_mono_ns, frame - 1 + 7);
    CHECK_EQ(bar_code(&picture), (int64_t)frame - 1);
  }
  renderer_close(renderer);
}

static void pictures_in_flight_come_in_their_order(void) {
  pictures_come_in_their_order(RENDERER_BY_SHADER);
  pictures_come_in_their_order(RENDERER_BY_CPU);
  pass_test();
}

static void every_pixel_follows_from_the_moment(void) {
  renderer *renderer = open_renderer(320, 180, RENDERER_AUTO);
  const scene_state states[2] = {state_of(100), state_of(160)};
  encoder_picture picture = draw(renderer, &states[0]);
  card first = keep(&picture);
  picture = draw(renderer, &states[1]);
  CHECK(card_psnr(&first.picture, &picture) < 30); /* it moves */
  picture = draw(renderer, &states[0]);
  CHECK_EQ(difference_most(&first.picture, &picture), 0);
  card_free(&first);
  renderer_close(renderer);
  pass_test();
}

static void mistakes_say_what_to_do(void) {
  renderer_options options = {.width = 641, .height = 360, .gpu = -1};
  renderer *renderer;
  CHECK_EQ(renderer_open(&options, &renderer), -EINVAL);
  CHECK_MESSAGE("641 x 360: sides are even, 64 to 8192");
  options = (renderer_options){.width = 640, .height = 360, .gpu = 31};
  CHECK_EQ(renderer_open(&options, &renderer), -ENODEV);
  if (strstr(tele_error_message(), "Install") != NULL) skip_test("%s", tele_error_message());
  CHECK_MESSAGE("cannot render on GPU 31: EGL lists ");
  CHECK_MESSAGE("telebridge doctor");
  pass_test();
}

/* As on a machine where EGL is not installed. */
static void without_egl_it_says_what_to_install(void) {
  const renderer_options options = {.width = 640, .height = 360, .gpu = -1};
  static const char *const places[] = {"/usr/lib/x86_64-linux-gnu/libEGL.so.1",
                                       "/usr/lib/aarch64-linux-gnu/libEGL.so.1"};
  renderer *renderer;
  enter_namespaces(CLONE_NEWNS);
  CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
  for (int i = 0; i < 2; i++) mount("/dev/null", places[i], NULL, MS_BIND, NULL); /* one of them is not there */
  CHECK_EQ(renderer_open(&options, &renderer), -ENODEV);
  CHECK_MESSAGE("libEGL.so.1");
  CHECK_MESSAGE("apt-get install libegl1 libgl1-mesa-dri");
  pass_test();
}

/* The one double here: no GPU that can be reset. Its context answers so. */
static unsigned guilty(void) { return 0x8253; }
static unsigned no_error(void) { return GL_NO_ERROR; }
static unsigned invalid(void) {
  static bool is_told;
  bool was_told = is_told;
  is_told = true;
  return was_told ? GL_NO_ERROR : 0x0502;
}

static void a_lost_context_is_told(void) {
  gl gl = {.GetError = no_error, .GetGraphicsResetStatus = guilty, .renderer = "GPU of the test"};
  CHECK_EQ(gl_check(&gl, "draw a picture"), -ENODEV);
  CHECK_MESSAGE("cannot draw a picture: the context on GPU of the test is lost: the GPU was reset");
  gl.GetError = invalid;
  CHECK_EQ(gl_check(&gl, "draw a picture"), -EIO);
  CHECK_MESSAGE("OpenGL error 0x0502");
}

static const test tests[] = {
    {"a picture carries its number through the encoder", a_picture_carries_its_number_through_the_encoder},
    {"shader and CPU give the same picture", shader_and_cpu_give_the_same_picture},
    {"pictures in flight come in their order", pictures_in_flight_come_in_their_order},
    {"every pixel follows from the moment", every_pixel_follows_from_the_moment},
    {"mistakes say what to do", mistakes_say_what_to_do},
    {"without EGL it says what to install", without_egl_it_says_what_to_install},
    {"a lost context is told", a_lost_context_is_told},
};
SUITE(render, tests);
