/*
 * The agent's own picture: a scene drawn by OpenGL without a display, handed out as I420 for the encoders.
 *
 * Drawing and reading overlap: renderer_draw() begins a picture and returns, renderer_take() waits for the oldest one
 * begun. Who has time between two pictures takes each one when it was begun, and is least late; who has none begins the
 * next one first (draw 2, take 1, encode 1, draw 3, take 2...), so that a GPU draws while the CPU encodes. On a
 * software renderer there is nothing to overlap.
 *
 * Everything from renderer_open() to renderer_close() belongs to one thread, whose current context it is. One renderer
 * at a time for each process.
 *
 * Failures are negative errnos with a text in tele_error_message(): -ENODEV no such device, none that renders, or its
 * context was lost (a reset GPU): nothing works any more; -EIO what GL refused; -EINVAL for sizes.
 */
#ifndef AGENT_RENDERER_H
#define AGENT_RENDERER_H

#include <stdbool.h>
#include <stdint.h>

#include "encoder.h"
#include "scene.h"

/* Pictures that may be begun and not yet taken. */
#define RENDERER_IN_FLIGHT_MAX 2

/* How pixels become I420. AUTO: by a shader on a GPU, so that 1.5 bytes a pixel cross the bus, while the next picture
 * is drawn; on a software renderer by the CPU's vector code, which is faster there (bench/native/agent_render.c). */
typedef enum renderer_conversion { RENDERER_AUTO, RENDERER_BY_SHADER, RENDERER_BY_CPU } renderer_conversion;

typedef struct renderer_options {
  uint32_t width, height; /* pixels: even, RENDERER_SIDE_MIN to RENDERER_SIDE_MAX */
  int gpu;                /* index of an EGL device as `telebridge doctor` lists them; -1 = the first GPU that renders,
                             else whatever renders */
  renderer_conversion conversion;
} renderer_options;

#define RENDERER_SIDE_MIN 64u
#define RENDERER_SIDE_MAX 8192u

typedef struct renderer renderer;

int renderer_open(const renderer_options *options, renderer **made);

/* Begins a picture. -EBUSY while RENDERER_IN_FLIGHT_MAX are begun. */
int renderer_draw(renderer *renderer, const scene_state *state);

/* Waits for the oldest picture begun, and says of which state it is (NULL is fine). The planes stay the renderer's and
 * are good until the next renderer_take(). -ENODATA where none is begun. */
int renderer_take(renderer *renderer, encoder_picture *picture, scene_state *state);

/* For people: "NVIDIA L4/PCIe/SSE2, OpenGL 3.3, converted by shader". */
const char *renderer_describe(const renderer *renderer);

/* Whether the pictures are drawn by the CPU (llvmpipe, softpipe, swrast). */
bool renderer_is_software(const renderer *renderer);

/* From the next picture on hands out pictures that stay in the GPU's memory (device_address), for an encoder on that
 * CUDA device, which is the one that draws: renderer_cuda_device(). Before the first picture. Negative errno where that
 * cannot be; then all is as before. */
int renderer_keep_on_gpu(renderer *renderer, int cuda_device);

/* For what shares memory with GL: the texture that renderer_draw() draws into (2D, RGBA8, one level; its first row is
 * the picture's top one), and the CUDA device that draws it, -1 where it is none of CUDA's. A picture is whole there
 * once GL has done what was asked of it; the next renderer_draw() overwrites it. */
uint32_t renderer_texture(const renderer *renderer);
int renderer_cuda_device(const renderer *renderer);

/* NULL is fine. */
void renderer_close(renderer *renderer);

#endif
