#include "renderer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda_gl.h"
#include "error.h"
#include "headless.h"
#include "readback.h"

_Static_assert(RENDERER_IN_FLIGHT_MAX == READBACK_IN_FLIGHT_MAX, "one is the other");
_Static_assert(RENDERER_IN_FLIGHT_MAX == CUDA_PICTURES_IN_FLIGHT_MAX, "and the third");

struct renderer {
  headless headless;
  uint32_t width, height;
  unsigned texture, depth, framebuffer;
  scene *scene;
  readback *readback;
  cuda_gl *shared; /* in its place, once pictures stay on the GPU */
  scene_state states[RENDERER_IN_FLIGHT_MAX];
  uint32_t begun, taken; /* ever */
  char description[240];
};

static int check_options(const renderer_options *options) {
  uint32_t width = options->width, height = options->height;
  if (width >= RENDERER_SIDE_MIN && width <= RENDERER_SIDE_MAX && height >= RENDERER_SIDE_MIN &&
      height <= RENDERER_SIDE_MAX && (width | height) % 2 == 0) {
    return 0;
  }
  return error_set(EINVAL, "cannot render %u x %u: sides are even, %u to %u pixels", width, height, RENDERER_SIDE_MIN,
                   RENDERER_SIDE_MAX);
}

static int open_target(renderer *made) {
  const gl *gl = &made->headless.gl;
  gl->GenTextures(1, &made->texture);
  gl->BindTexture(GL_TEXTURE_2D, made->texture);
  gl->TexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, (int)made->width, (int)made->height, 0, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
  gl->TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
  gl->TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
  gl->GenRenderbuffers(1, &made->depth);
  gl->BindRenderbuffer(GL_RENDERBUFFER, made->depth);
  gl->RenderbufferStorage(GL_RENDERBUFFER, GL_DEPTH_COMPONENT24, (int)made->width, (int)made->height);
  gl->GenFramebuffers(1, &made->framebuffer);
  gl->BindFramebuffer(GL_FRAMEBUFFER, made->framebuffer);
  gl->FramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, made->texture, 0);
  gl->FramebufferRenderbuffer(GL_FRAMEBUFFER, GL_DEPTH_ATTACHMENT, GL_RENDERBUFFER, made->depth);
  int result = gl_check_framebuffer(gl, "a texture for the picture");
  return result < 0 ? result : gl_check(gl, "make what is drawn into");
}

static int open_parts(renderer *made, renderer_conversion conversion) {
  const gl *gl = &made->headless.gl;
  bool by_shader = conversion == RENDERER_AUTO ? !gl->is_software : conversion == RENDERER_BY_SHADER;
  int result = open_target(made);
  if (result == 0) result = scene_open(gl, made->width, made->height, &made->scene);
  if (result == 0) result = readback_open(gl, made->width, made->height, by_shader, &made->readback);
  snprintf(made->description, sizeof made->description, "%s%s, OpenGL%s, converted by %s", gl->renderer,
           gl->is_software ? " (software: the CPU draws)" : "", gl->is_es ? " ES" : "",
           by_shader ? "shader" : "the CPU");
  return result;
}

int renderer_open(const renderer_options *options, renderer **made) {
  int result = check_options(options);
  if (result < 0) return result;
  renderer *self = calloc(1, sizeof *self);
  if (self == NULL) return error_set(ENOMEM, "cannot make a renderer: no memory");
  self->width = options->width;
  self->height = options->height;
  result = headless_open(options->gpu, &self->headless);
  if (result < 0) {
    free(self);
    return result;
  }
  result = open_parts(self, options->conversion);
  if (result < 0) {
    renderer_close(self);
    return result;
  }
  *made = self;
  return 0;
}

int renderer_draw(renderer *renderer, const scene_state *state) {
  const gl *gl = &renderer->headless.gl;
  if (renderer->begun - renderer->taken == RENDERER_IN_FLIGHT_MAX) {
    return error_set(EBUSY, "cannot draw another picture: %d are not taken yet", RENDERER_IN_FLIGHT_MAX);
  }
  gl->BindFramebuffer(GL_FRAMEBUFFER, renderer->framebuffer);
  scene_draw(renderer->scene, state);
  int result = renderer->shared != NULL ? cuda_gl_begin(renderer->shared, renderer->texture, false)
                                        : readback_begin(renderer->readback, renderer->texture, false);
  if (result == 0) renderer->states[renderer->begun++ % RENDERER_IN_FLIGHT_MAX] = *state;
  return result;
}

int renderer_take(renderer *renderer, encoder_picture *picture, scene_state *state) {
  int result =
      renderer->shared != NULL ? cuda_gl_take(renderer->shared, picture) : readback_take(renderer->readback, picture);
  if (result < 0) return result;
  if (state != NULL) *state = renderer->states[renderer->taken % RENDERER_IN_FLIGHT_MAX];
  renderer->taken++;
  return 0;
}

const char *renderer_describe(const renderer *renderer) { return renderer->description; }
bool renderer_is_software(const renderer *renderer) { return renderer->headless.gl.is_software; }
uint32_t renderer_texture(const renderer *renderer) { return renderer->texture; }
int renderer_cuda_device(const renderer *renderer) { return renderer->headless.cuda_device; }

/* Tried at once: what does not work here is better known before the first picture. */
int renderer_keep_on_gpu(renderer *renderer, int cuda_device) {
  cuda_gl *shared;
  encoder_picture picture;
  int result = cuda_gl_open(cuda_device, renderer->width, renderer->height, false, &shared);
  if (result == 0) result = cuda_gl_begin(shared, renderer->texture, false);
  if (result == 0) result = cuda_gl_take(shared, &picture);
  if (result < 0) {
    const error_text failure = error_save();
    cuda_gl_close(shared, true);
    error_restore(&failure);
    return result;
  }
  renderer->shared = shared;
  return 0;
}

void renderer_close(renderer *renderer) {
  if (renderer == NULL) return;
  const gl *gl = &renderer->headless.gl;
  cuda_gl_close(renderer->shared, true);
  readback_close(renderer->readback);
  scene_close(renderer->scene);
  gl->DeleteFramebuffers(1, &renderer->framebuffer);
  gl->DeleteRenderbuffers(1, &renderer->depth);
  gl->DeleteTextures(1, &renderer->texture);
  headless_close(&renderer->headless);
  free(renderer);
}
