/* The panel along the picture's top: the time and the frame's number as text, and the number as a bar code. */
#ifndef AGENT_OVERLAY_H
#define AGENT_OVERLAY_H

#include "gl.h"

typedef struct overlay overlay;

int overlay_open(const gl *gl, uint32_t width, uint32_t height, overlay **made);

/* How many rows of a picture it takes; the text of very low ones is under them, on the picture. */
uint32_t overlay_rows(uint32_t height);

/* Draws into the bound framebuffer, whose first row is the picture's top one; without depth test and blending. */
void overlay_draw(overlay *overlay, uint64_t frame, uint64_t t_real_ns);

/* NULL is fine. */
void overlay_close(overlay *overlay);

#endif
