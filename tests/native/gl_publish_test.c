/* tele_gl: textures of a user's own context, back from the ring. */
#include <stdlib.h>

#include "card.h"
#include "convert.h"
#include "decoder.h"
#include "gpu_world.h"
#include "harness.h"
#include "headless.h"
#include "readback.h"

#define UNIT_BYTES_MAX (1 << 20)

typedef struct world {
  headless headless;
  uint32_t width, height;
  uint8_t *rgba; /* the first row on top */
  unsigned texture;
} world;

static unsigned make_texture(const gl *gl, uint32_t width, uint32_t height, int internal, unsigned format,
                             const void *pixels) {
  unsigned texture;
  gl->GenTextures(1, &texture);
  gl->BindTexture(GL_TEXTURE_2D, texture);
  gl->TexImage2D(GL_TEXTURE_2D, 0, internal, (int)width, (int)height, 0, format, GL_UNSIGNED_BYTE, pixels);
  return texture;
}

/* Gradients that look different from every side. */
static world make_world(uint32_t width, uint32_t height, bool top_down) {
  world made = {.width = width, .height = height, .rgba = malloc((size_t)width * height * 4)};
  uint8_t *uploaded = malloc((size_t)width * height * 4);
  if (headless_open(-1, &made.headless) < 0) skip_test("%s", tele_error_message());
  for (uint32_t i = 0; i < width * height; i++) {
    uint32_t x = i % width, y = i / width, row = top_down ? y : height - 1 - y;
    uint8_t pixel[4] = {(uint8_t)(x * 255 / width), (uint8_t)(y * 255 / height), (uint8_t)(x < width / 4 ? 220 : 30),
                        255};
    memcpy(made.rgba + 4 * (size_t)i, pixel, 4);
    memcpy(uploaded + 4 * ((size_t)row * width + x), pixel, 4);
  }
  made.texture = make_texture(&made.headless.gl, width, height, GL_RGBA8, GL_RGBA, uploaded);
  free(uploaded);
  return made;
}

static void end_world(world *world) {
  world->headless.gl.DeleteTextures(1, &world->texture);
  headless_close(&world->headless);
  free(world->rgba);
}

static tele_gl_options options_for(const world *world, uint32_t conversion) {
  return (tele_gl_options){
      .width = world->width, .height = world->height, .conversion = conversion, .encoder = TELE_ENCODER_OPENH264};
}

static tele_gl *open_gl(const tele_gl_options *options) {
  tele_gl *gl;
  CHECK_EQ(tele_gl_open(test_run(), options, &gl), 0);
  return gl;
}

/* The next access unit of the ring. */
static tele_slot_header *read_unit(tele_reader *reader, uint64_t after) {
  static uint8_t buffer[UNIT_BYTES_MAX];
  uint64_t bytes;
  CHECK_EQ(tele_reader_read(reader, after, TELE_READ_NEXT, buffer, sizeof buffer, &bytes), 1);
  tele_slot_header *header = (tele_slot_header *)buffer;
  CHECK_EQ(header->format, TELE_FORMAT_H264);
  return header;
}

static void expect_picture(const world *world, tele_reader *reader) {
  const tele_slot_header *header = read_unit(reader, 0);
  const tele_slot_header raw = {.width = world->width,
                                .height = world->height,
                                .format = TELE_FORMAT_RGBA8,
                                .stride = world->width * 4,
                                .bytes = world->width * world->height * 4};
  converter *converter;
  decoder *decoder;
  encoder_picture expected, decoded;
  CHECK_EQ(header->flags, TELE_FRAME_KEYFRAME);
  CHECK_EQ(header->width, world->width);
  CHECK_EQ(header->height, world->height);
  CHECK_EQ(header->step, 12);
  CHECK_EQ(decoder_open(&decoder), 0);
  CHECK_EQ(decoder_run(decoder, header + 1, header->bytes, &decoded), 1);
  CHECK_EQ(converter_open(&converter), 0);
  CHECK_EQ(converter_run(converter, &raw, world->rgba, &expected), 0);
  CHECK(card_psnr(&expected, &decoded) > 32);
  converter_close(converter);
  decoder_close(decoder);
}

/* Publishes once, and finds the world's picture in the ring. */
static void publish_and_expect(const world *world, const tele_gl_options *options, const tele_gl_frame *frame) {
  tele_gl *gl = open_gl(options);
  CHECK_EQ(tele_gl_publish(gl, frame), 0);
  tele_reader *reader = open_reader();
  expect_picture(world, reader);
  tele_reader_close(reader);
  tele_gl_close(gl);
}

static void publish_and_compare(uint32_t width, uint32_t height, bool top_down, uint32_t conversion) {
  world world = make_world(width, height, top_down);
  const tele_gl_options options = options_for(&world, conversion);
  const tele_gl_frame frame = {.texture = world.texture, .top_down = top_down, .step = 12};
  publish_and_expect(&world, &options, &frame);
  end_world(&world);
}

static void a_texture_comes_back_from_the_ring(void) {
  publish_and_compare(320, 180, false, TELE_GL_AUTO);
  publish_and_compare(320, 180, true, TELE_GL_BY_SHADER);
  pass_test();
}

static void odd_sides_and_both_directions_come_back_too(void) {
  for (uint32_t conversion = TELE_GL_BY_SHADER; conversion <= TELE_GL_BY_CPU; conversion++) {
    publish_and_compare(161, 91, false, conversion);
    publish_and_compare(161, 91, true, conversion);
  }
  pass_test();
}

/* What a program may have set that would spoil our draws, or that ours could spoil. */
static void the_context_is_left_as_it_was(void) {
  static const unsigned capabilities[] = {GL_BLEND, GL_DEPTH_TEST, GL_SCISSOR_TEST, GL_CULL_FACE};
  static const unsigned numbers[] = {GL_DRAW_FRAMEBUFFER_BINDING, GL_READ_FRAMEBUFFER_BINDING, GL_CURRENT_PROGRAM,
                                     GL_VERTEX_ARRAY_BINDING,     GL_ACTIVE_TEXTURE,           GL_TEXTURE_BINDING_2D,
                                     GL_PACK_ROW_LENGTH,          GL_PIXEL_PACK_BUFFER_BINDING};
  enum { NUMBERS = sizeof numbers / sizeof numbers[0] };
  for (uint32_t conversion = TELE_GL_BY_SHADER; conversion <= TELE_GL_BY_CPU; conversion++) {
    world world = make_world(160, 90, true);
    const gl *gl = &world.headless.gl;
    const tele_gl_options options = options_for(&world, conversion);
    const tele_gl_frame frame = {.texture = world.texture, .top_down = 1, .step = 12};
    unsigned framebuffer, array, pack_buffer, program;
    int before[NUMBERS], after[NUMBERS], viewport[4];
    gl->GenFramebuffers(1, &framebuffer);
    gl->BindFramebuffer(GL_FRAMEBUFFER, framebuffer);
    gl->GenVertexArrays(1, &array);
    gl->BindVertexArray(array);
    gl->GenBuffers(1, &pack_buffer);
    gl->BindBuffer(GL_PIXEL_PACK_BUFFER, pack_buffer);
    CHECK_EQ(gl_program(gl, gl_cover_vertex_shader, "out vec4 c; void main() { c = vec4(1.0); }", &program), 0);
    gl->UseProgram(program);
    gl->ActiveTexture(GL_TEXTURE0 + 3);
    gl->BindTexture(GL_TEXTURE_2D, world.texture);
    gl->Viewport(1, 2, 3, 4);
    gl->ColorMask(1, 0, 0, 1);
    gl->PixelStorei(GL_PACK_ROW_LENGTH, 77);
    for (int i = 0; i < 4; i++) gl->Enable(capabilities[i]);
    for (int i = 0; i < NUMBERS; i++) gl->GetIntegerv(numbers[i], &before[i]);
    publish_and_expect(&world, &options, &frame);
    for (int i = 0; i < NUMBERS; i++) {
      gl->GetIntegerv(numbers[i], &after[i]);
      CHECK_EQ(after[i], before[i]);
    }
    for (int i = 0; i < 4; i++) CHECK(gl->IsEnabled(capabilities[i]));
    gl->GetIntegerv(GL_VIEWPORT, viewport);
    CHECK(viewport[0] == 1 && viewport[1] == 2 && viewport[2] == 3 && viewport[3] == 4);
    CHECK_EQ(gl_check(gl, "go on"), 0);
    end_world(&world);
  }
  pass_test();
}

/* Each draw buffer has its blending and its mask, and each viewport its rectangle. */
static void what_is_set_one_by_one_is_left_as_it_was(void) {
  world world = make_world(160, 90, true);
  const gl *gl = &world.headless.gl;
  if (gl->ViewportArrayv == NULL) skip_test("needs OpenGL 4.1");
  uint8_t (*is_enabled)(unsigned, unsigned) =
      (uint8_t(*)(unsigned, unsigned))world.headless.egl.get_proc("glIsEnabledi");
  void (*get_booleans)(unsigned, unsigned, uint8_t *) =
      (void (*)(unsigned, unsigned, uint8_t *))world.headless.egl.get_proc("glGetBooleani_v");
  const float viewports[2][4] = {{0.5f, 1, 20, 30}, {2, 3, 40, 50}};
  const tele_gl_options options = options_for(&world, TELE_GL_BY_SHADER);
  const tele_gl_frame frame = {.texture = world.texture, .top_down = 1, .step = 12};
  uint8_t mask[4];
  float viewport[4];
  gl->Enable(GL_CLIP_DISTANCE0);
  gl->Enablei(GL_BLEND, 1);
  gl->Enablei(GL_SCISSOR_TEST, 2);
  gl->Scissor(0, 0, 1, 1);
  gl->ColorMaski(0, 1, 0, 1, 0);
  gl->ColorMaski(1, 0, 1, 0, 1);
  gl->ViewportArrayv(0, 2, viewports[0]);
  publish_and_expect(&world, &options, &frame);
  CHECK(gl->IsEnabled(GL_CLIP_DISTANCE0));
  CHECK(!is_enabled(GL_BLEND, 0) && is_enabled(GL_BLEND, 1) && !is_enabled(GL_BLEND, 2));
  CHECK(!is_enabled(GL_SCISSOR_TEST, 0) && is_enabled(GL_SCISSOR_TEST, 2));
  get_booleans(GL_COLOR_WRITEMASK, 0, mask);
  CHECK(mask[0] && !mask[1] && mask[2] && !mask[3]);
  get_booleans(GL_COLOR_WRITEMASK, 1, mask);
  CHECK(!mask[0] && mask[1] && !mask[2] && mask[3]);
  for (unsigned i = 0; i < 2; i++) {
    gl->GetFloati_v(GL_VIEWPORT, i, viewport);
    CHECK(memcmp(viewport, viewports[i], sizeof viewport) == 0);
  }
  CHECK_EQ(gl_check(gl, "go on"), 0);
  end_world(&world);
  pass_test();
}

/* Its bytes are what is shown; a sampler would make them linear. */
static void an_srgb_texture_keeps_its_colours(void) {
  for (uint32_t conversion = TELE_GL_BY_SHADER; conversion <= TELE_GL_BY_CPU; conversion++) {
    world world = make_world(160, 90, true);
    const tele_gl_options options = options_for(&world, conversion);
    const tele_gl_frame frame = {
        .texture = make_texture(&world.headless.gl, 160, 90, 0x8C43, GL_RGBA, world.rgba), /* GL_SRGB8_ALPHA8 */
        .top_down = 1,
        .step = 12};
    publish_and_expect(&world, &options, &frame);
    end_world(&world);
  }
  pass_test();
}

static const gl *drivers;
static bool map_fails;

/* A driver that reports something else just then: the buffer is mapped. */
static void *map_with_an_error(unsigned target, intptr_t offset, intptr_t bytes, unsigned access) {
  void *mapped = drivers->MapBufferRange(target, offset, bytes, access);
  if (map_fails) drivers->Enable(0xFFFF);
  return mapped;
}

static void a_picture_that_could_not_be_read_is_read_later(void) {
  world world = make_world(160, 90, true);
  gl gl = world.headless.gl;
  readback *readback;
  encoder_picture picture;
  drivers = &world.headless.gl;
  gl.MapBufferRange = map_with_an_error;
  CHECK_EQ(readback_open(&gl, 160, 90, true, &readback), 0);
  CHECK_EQ(readback_begin(readback, world.texture, false), 0);
  map_fails = true;
  for (int i = 0; i < 3; i++) CHECK_EQ(readback_take(readback, &picture), -EIO);
  map_fails = false;
  CHECK_EQ(readback_take(readback, &picture), 0);
  CHECK_EQ(readback_take(readback, &picture), -ENODATA);
  readback_close(readback);
  end_world(&world);
  pass_test();
}

static void pipelined_pictures_come_one_call_later(void) {
  world world = make_world(160, 90, true);
  tele_gl_options options = options_for(&world, TELE_GL_BY_SHADER);
  options.pipelined = 1;
  tele_gl_frame frame = {.texture = world.texture, .top_down = 1};
  tele_gl_status status;
  tele_gl *gl = open_gl(&options);
  for (uint64_t call = 1; call <= 4; call++) {
    frame.step = call;
    CHECK_EQ(tele_gl_publish(gl, &frame), 0);
    CHECK_EQ(tele_gl_status_get(gl, &status), 0);
    CHECK_EQ(status.frames_published, call - 1);
  }
  CHECK_EQ(tele_gl_flush(gl), 0);
  CHECK_EQ(tele_producer_frames(tele_gl_producer(gl)), 4);
  CHECK_EQ(status.encoder, TELE_ENCODER_OPENH264);
  CHECK(strstr(status.renderer, "llvmpipe") == NULL || status.is_software);
  tele_reader *reader = open_reader();
  CHECK_EQ(read_unit(reader, 3)->step, 4);
  CHECK_EQ(read_unit(reader, 3)->flags, 0);
  CHECK_EQ(tele_reader_request_keyframe(reader), 0);
  CHECK_EQ(tele_gl_publish(gl, &frame), 0);
  CHECK_EQ(tele_gl_flush(gl), 0);
  CHECK_EQ(read_unit(reader, 4)->flags, TELE_FRAME_KEYFRAME);
  tele_reader_close(reader);
  tele_gl_close(gl);
  end_world(&world);
  pass_test();
}

static void mistakes_are_told_and_end_nothing(void) {
  world world = make_world(160, 90, true);
  const gl *users = &world.headless.gl;
  tele_gl_options options = options_for(&world, TELE_GL_BY_CPU);
  tele_gl_frame frame = {.texture = 4711};
  tele_gl *gl = open_gl(&options);
  CHECK_EQ(tele_gl_publish(gl, &frame), -EINVAL);
  CHECK_MESSAGE("4711 is no texture of the current context");
  unsigned small = make_texture(users, 32, 16, GL_RGBA8, GL_RGBA, NULL);
  frame.texture = small;
  CHECK_EQ(tele_gl_publish(gl, &frame), -EINVAL);
  CHECK_MESSAGE("has 32 x 16 pixels, the run was opened for 160 x 90");
  unsigned integers = make_texture(users, 160, 90, 0x8D7C, 0x8D99, NULL); /* GL_RGBA8UI, GL_RGBA_INTEGER */
  frame.texture = integers;
  CHECK_EQ(tele_gl_publish(gl, &frame), -EIO);
  CHECK_MESSAGE("OpenGL error 0x0502");
  const egl *egl = &world.headless.egl;
  frame.texture = world.texture;
  CHECK(egl->make_current(world.headless.display, NULL, NULL, NULL));
  CHECK_EQ(tele_gl_publish(gl, &frame), -ENOTCONN);
  CHECK_MESSAGE("is not current on this thread");
  tele_gl *other;
  CHECK_EQ(tele_gl_open(test_run(), &options, &other), -ENOTCONN);
  CHECK(other == NULL);
  CHECK(egl->make_current(world.headless.display, world.headless.surface, world.headless.surface,
                          world.headless.context));
  CHECK_EQ(tele_gl_publish(gl, &frame), 0);
  CHECK_EQ(tele_gl_open(test_run(), &options, &other), -EEXIST);
  options.width = 0;
  CHECK_EQ(tele_gl_open(test_run(), &options, &other), -EINVAL);
  CHECK(egl->make_current(world.headless.display, NULL, NULL, NULL));
  tele_gl_close(gl); /* without its context: the run ends all the same */
  tele_gl_close(NULL);
  tele_reader *reader;
  CHECK_EQ(tele_reader_open(test_run(), &reader), -ENOENT);
  headless_close(&world.headless);
  free(world.rgba);
  pass_test();
}

static void publish_in_fork(void *argument) {
  tele_gl *gl = argument;
  const tele_gl_frame frame = {.texture = 1};
  CHECK_EQ(tele_gl_publish(gl, &frame), -ECHILD);
  CHECK_MESSAGE("this process is a fork of the one that opened the run");
  tele_gl_close(gl);
  pass_test();
}

static void a_fork_neither_publishes_nor_ends_the_run(void) {
  world world = make_world(160, 90, true);
  const tele_gl_options options = options_for(&world, TELE_GL_AUTO);
  const tele_gl_frame frame = {.texture = world.texture, .top_down = 1, .step = 12};
  tele_gl *gl = open_gl(&options);
  expect_child_done(start_child(publish_in_fork, gl));
  CHECK_EQ(tele_gl_publish(gl, &frame), 0);
  tele_reader *reader = open_reader();
  expect_picture(&world, reader);
  tele_reader_close(reader);
  tele_gl_close(gl);
  end_world(&world);
  pass_test();
}

static const test tests[] = {
    {"a texture comes back from the ring", a_texture_comes_back_from_the_ring},
    {"odd sides and both directions come back, too", odd_sides_and_both_directions_come_back_too},
    {"the context is left as it was", the_context_is_left_as_it_was},
    {"what is set one by one is left as it was", what_is_set_one_by_one_is_left_as_it_was},
    {"an sRGB texture keeps its colours", an_srgb_texture_keeps_its_colours},
    {"a picture that could not be read is read later", a_picture_that_could_not_be_read_is_read_later},
    {"pipelined pictures come one call later", pipelined_pictures_come_one_call_later},
    {"mistakes are told and end nothing", mistakes_are_told_and_end_nothing},
    {"a fork neither publishes nor ends the run", a_fork_neither_publishes_nor_ends_the_run},
};
SUITE(gl_publish, tests);

/* ---- With the double of NVIDIA's driver ------------------------------------------------------------ */

static void publish_by_gpu(bool top_down, bool on_gpu) {
  world world = make_world(160, 90, top_down);
  tele_gl_options options = options_for(&world, TELE_GL_AUTO);
  options.encoder = TELE_ENCODER_AUTO;
  tele_gl_frame frame = {.texture = world.texture, .top_down = top_down, .step = 12};
  tele_gl_status status;
  tele_gl *gl = open_gl(&options);
  CHECK_EQ(tele_gl_status_get(gl, &status), 0);
  CHECK_EQ(status.on_gpu, on_gpu);
  CHECK_EQ(status.encoder, TELE_ENCODER_NVENC);
  CHECK_EQ(tele_gl_publish(gl, &frame), 0);
  tele_reader *reader = open_reader();
  expect_picture(&world, reader);
  /* The next texture of that name is another one. */
  world.headless.gl.DeleteTextures(1, &world.texture);
  CHECK_EQ(tele_gl_publish(gl, &frame), -EINVAL);
  frame.texture = make_texture(&world.headless.gl, 160, 90, GL_RGBA8, GL_RGBA, world.rgba);
  CHECK_EQ(tele_gl_publish(gl, &frame), 0);
  CHECK_EQ(read_unit(reader, 1)->frame, 2);
  tele_reader_close(reader);
  tele_gl_close(gl);
  end_world(&world);
  expect_nothing_left();
}

static void textures_stay_on_a_gpu_that_encodes(void) {
  need_double();
  publish_by_gpu(false, true);
  publish_by_gpu(true, true);
  pass_test();
}

static void where_sharing_fails_they_are_read(void) {
  need_double();
  setenv("NVENC_DOUBLE_FAIL", "cuGraphicsMapResources 1 999", 1);
  publish_by_gpu(false, false);
  pass_test();
}

static void without_its_context_the_run_ends_all_the_same(void) {
  need_double();
  world world = make_world(160, 90, true);
  tele_gl_options options = options_for(&world, TELE_GL_AUTO);
  options.encoder = TELE_ENCODER_AUTO;
  const tele_gl_frame frame = {.texture = world.texture, .top_down = 1};
  nvenc_double_counts counts;
  tele_gl *gl = open_gl(&options);
  CHECK_EQ(tele_gl_publish(gl, &frame), 0);
  CHECK(world.headless.egl.make_current(world.headless.display, NULL, NULL, NULL));
  tele_gl_close(gl);
  count_all(&counts);
  CHECK_EQ(counts.objects, 1); /* the registered texture, which is left to the context */
  CHECK_EQ(counts.sessions + counts.contexts, 0);
  tele_reader *reader;
  CHECK_EQ(tele_reader_open(test_run(), &reader), -ENOENT);
  headless_close(&world.headless);
  free(world.rgba);
  pass_test();
}

static const test gpu_tests[] = {
    {"textures stay on a GPU that encodes", textures_stay_on_a_gpu_that_encodes},
    {"where sharing fails they are read", where_sharing_fails_they_are_read},
    {"without its context the run ends all the same", without_its_context_the_run_ends_all_the_same},
};
SUITE_ON_REQUEST(gpu_gl_publish, gpu_tests);
