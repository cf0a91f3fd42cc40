/*
 * What OpenGL drew, as encoders take it, by CUDA on the same GPU: a texture is mapped, converted where it is, and
 * unmapped again, whatever came of it. What comes out is cuda_pictures.h's: NV12 in the GPU's memory for its encoder,
 * or I420 copied into ours.
 *
 * Beginning needs the OpenGL context, which is current on the calling thread; taking does not.
 */
#ifndef AGENT_CUDA_GL_H
#define AGENT_CUDA_GL_H

#include "cuda_pictures.h"

typedef struct cuda_gl cuda_gl;

/* CUDA's ordinal of the device that draws for the current context, for where EGL does not tell it
 * (EGL_CUDA_DEVICE_NV). -ENODEV where it is none of CUDA's, or there is no CUDA. */
int cuda_gl_device(void);

int cuda_gl_open(int ordinal, uint32_t width, uint32_t height, bool to_memory, cuda_gl **made);

/* Begins with what OpenGL has drawn into this texture (2D, RGBA8, of that size) by now; what OpenGL does next waits
 * until it is read. The texture must live as long. -EBUSY while CUDA_PICTURES_IN_FLIGHT_MAX are begun. */
int cuda_gl_begin(cuda_gl *gl, unsigned texture, bool bottom_up);

/* As cuda_pictures_take(). */
int cuda_gl_take(cuda_gl *gl, encoder_picture *picture);

/* is_current: whether its OpenGL context is; else what was registered of it is left to it. NULL is fine. */
void cuda_gl_close(cuda_gl *gl, bool is_current);

#endif
