/* A current OpenGL context without a display: no X11, no Wayland. */
#ifndef AGENT_HEADLESS_H
#define AGENT_HEADLESS_H

#include "egl.h"
#include "gl.h"

typedef struct headless {
  egl egl;
  gl gl;
  egl_handle display, context, surface; /* surface: NULL where none is needed, else a pbuffer of one pixel */
  int cuda_device;                      /* that draws, -1 when it is none of CUDA's */
} headless;

/* Makes a context on that EGL device and leaves it current on this thread. gpu -1: the first device that is no software
 * renderer, else the first that renders, else EGL's surfaceless platform. -ENODEV. */
int headless_open(int gpu, headless *made);

/* Also ends the display, for every user of it in this process. */
void headless_close(headless *headless);

#endif
