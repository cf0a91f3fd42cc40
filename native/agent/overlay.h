/* What is written over the picture: the frame's number as a bar code, and a line of text. */
#ifndef AGENT_OVERLAY_H
#define AGENT_OVERLAY_H

#include "gl.h"

typedef struct overlay overlay;

int overlay_open(const gl *gl, uint32_t width, uint32_t height, overlay **made);

/* Draws into the bound framebuffer, whose first row is the picture's top one. Leaves depth test and blending off. */
void overlay_draw(overlay *overlay, uint64_t frame, uint64_t t_real_ns);

/* NULL is fine. */
void overlay_close(overlay *overlay);

#endif
