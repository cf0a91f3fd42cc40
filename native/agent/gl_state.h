/* Somebody else's context, as we need it for a moment, and then as it was. */
#ifndef AGENT_GL_STATE_H
#define AGENT_GL_STATE_H

#include "gl.h"

#define GL_STATE_CAPABILITIES 16
#define GL_STATE_PACKINGS 4
#define GL_STATE_VIEWPORTS 16 /* as many as there are at least */

typedef struct gl_state {
  const gl *gl;
  int draw_framebuffer, read_framebuffer, viewport[4], program, vertex_array;
  int active_texture, texture, sampler; /* the latter two of unit 0 */
  int pack_buffer, unpack_buffer, packings[GL_STATE_PACKINGS], polygon_mode[2];
  float viewports[GL_STATE_VIEWPORTS][4]; /* where there may be more than one */
  uint8_t colour_mask[4], is_enabled[GL_STATE_CAPABILITIES];
} gl_state;

/* Keeps what readback.h changes and needs, and sets it to what a new context has. Clears GL's error. */
void gl_state_take(const gl *gl, gl_state *kept);
void gl_state_give_back(const gl_state *kept);

#endif
