#include "scene.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "error.h"
#include "overlay.h"

struct scene {
  const gl *gl;
  uint32_t width, height;
  overlay *overlay;
};

int scene_open(const gl *gl, uint32_t width, uint32_t height, scene **made) {
  scene *self = calloc(1, sizeof *self);
  if (self == NULL) return error_set(ENOMEM, "cannot make a scene: no memory");
  *self = (scene){.gl = gl, .width = width, .height = height};
  int result = overlay_open(gl, width, height, &self->overlay);
  if (result < 0) {
    scene_close(self);
    return result;
  }
  *made = self;
  return 0;
}

void scene_draw(scene *scene, const scene_state *state) {
  const gl *gl = scene->gl;
  float phase = (float)fmod(state->seconds, 6.0) / 6 * 6.2831853f;
  gl->Viewport(0, 0, (int)scene->width, (int)scene->height);
  gl->ClearColor(0.5f + 0.3f * sinf(phase), 0.5f, 0.5f + 0.3f * cosf(phase), 1);
  gl->Clear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
  overlay_draw(scene->overlay, state->frame, state->t_real_ns);
}

void scene_close(scene *scene) {
  if (scene == NULL) return;
  overlay_close(scene->overlay);
  free(scene);
}
