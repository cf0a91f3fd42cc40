/*
 * From a texture to I420 in memory (BT.709 limited range), by one of two ways that give the same picture:
 *
 * - by shader: three draws fill a texture with the planes, four bytes a texel; its copy into a pixel buffer runs beside
 *   us, while the next picture is drawn, and is only mapped here.
 * - by the CPU: RGBA is read at once and converted by the vector code of convert_rows.c.
 *
 * Needs the context that it was opened in. Changes bindings of framebuffers, textures, samplers, programs, buffers and
 * the viewport, and leaves them changed; expects what gl_state.h resets.
 */
#ifndef AGENT_READBACK_H
#define AGENT_READBACK_H

#include "encoder.h"
#include "gl.h"

#define READBACK_IN_FLIGHT_MAX 2

typedef struct readback readback;

/* Of textures with these sides; the picture's are rounded up to even by repeating the last column and row. */
int readback_open(const gl *gl, uint32_t width, uint32_t height, bool by_shader, readback **made);

/* Begins to read a 2D texture (of width x height, RGBA, normalised or float). bottom_up: its first row is the picture's
 * last, as OpenGL draws. -EBUSY while READBACK_IN_FLIGHT_MAX are begun. */
int readback_begin(readback *readback, unsigned texture, bool bottom_up);

/* Waits for the oldest one begun. The planes are good until the next take. -ENODATA where none is begun. */
int readback_take(readback *readback, encoder_picture *picture);

/* NULL is fine. */
void readback_close(readback *readback);

/* The same where the context is gone, and with it what was made there. */
void readback_abandon(readback *readback);

#endif
