/*
 * A user's textures for the GPU's encoder, by CUDA, in the GPU's memory (cuda_gl.h). They are copied there first, into
 * a texture of ours: CUDA would go on with one that its owner has deleted or made anew, and takes few formats.
 *
 * Needs what readback.h needs.
 */
#ifndef AGENT_GL_SHARE_H
#define AGENT_GL_SHARE_H

#include "encoder.h"
#include "gl.h"

typedef struct gl_share gl_share;

/* Tried with a picture: what does not work here is better known before the first one. */
int gl_share_open(const gl *gl, int cuda_device, uint32_t width, uint32_t height, gl_share **made);

/* As readback_begin() and readback_take(); the picture is in the GPU's memory. */
int gl_share_begin(gl_share *share, unsigned texture, bool bottom_up);
int gl_share_take(gl_share *share, encoder_picture *picture);

/* is_current: whether the context still is; else its objects are left to it. NULL is fine. */
void gl_share_close(gl_share *share, bool is_current);

#endif
