/* What the agent shows. Needs a current context, as all of GL. */
#ifndef AGENT_SCENE_H
#define AGENT_SCENE_H

#include <stdint.h>

#include "gl.h"

/* A moment of the scene; every pixel follows from it and the picture's size. */
typedef struct scene_state {
  uint64_t frame; /* its number: as text, and its low 20 bits as the bar code (tests/harness/video_card.ts reads it) */
  double seconds; /* since the motion began */
  uint64_t t_real_ns; /* the time shown */
  uint64_t t_mono_ns; /* the same moment; not shown, comes back with the picture */
} scene_state;

typedef struct scene scene;

int scene_open(const gl *gl, uint32_t width, uint32_t height, scene **made);

/* Draws into the bound framebuffer, all of it; the picture's top row is the framebuffer's first one. */
void scene_draw(scene *scene, const scene_state *state);

/* NULL is fine. */
void scene_close(scene *scene);

#endif
