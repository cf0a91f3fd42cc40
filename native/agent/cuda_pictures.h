/*
 * Pictures in the GPU's memory as encoders take them, BT.709 limited range, made there by cuda_kernels.cu:
 *
 * - for an encoder on the same GPU: NV12, which stays there;
 * - for the others: I420, copied through pinned memory, 1.5 bytes a pixel, beside whatever else CPU and GPU do.
 *
 * Beginning waits for nothing. It works in the order of the caller's stream, so that the source may be overwritten by
 * whatever that stream does next. One thread begins; one, the same or another, takes.
 *
 * Failures are negative errnos with a text in tele_error_message(): -ENODEV no such device; -EINVAL for a source that
 * contradicts itself or is not in its memory; -EIO what CUDA refused, after which nothing may work any more.
 */
#ifndef AGENT_CUDA_PICTURES_H
#define AGENT_CUDA_PICTURES_H

#include <stdbool.h>

#include "cuda_device.h"
#include "encoder.h"

/* Pictures that may be begun and not yet taken. */
#define CUDA_PICTURES_IN_FLIGHT_MAX 2

typedef struct cuda_source {
  uint32_t format;  /* TELE_FORMAT_RGB8, RGBA8, BGRA8, GRAY8 or NV12; of an array RGBA8 or BGRA8 */
  uint64_t address; /* plane 0; 0 = the array below */
  uint64_t chroma;  /* NV12: its UV rows; 0 = behind the last row of luma */
  uint32_t pitch;   /* bytes from row to row; 0 = without padding */
  CUarray array;
  bool bottom_up; /* its first row is the picture's last, as OpenGL draws */
} cuda_source;

typedef struct cuda_pictures cuda_pictures;

/* Sides are the sources'; odd ones are rounded up by repeating the last column or row. to_memory: I420 in memory. */
int cuda_pictures_open(int ordinal, uint32_t width, uint32_t height, bool to_memory, cuda_pictures **made);

/* -EBUSY while CUDA_PICTURES_IN_FLIGHT_MAX are begun. NULL is the default stream. */
int cuda_pictures_begin(cuda_pictures *pictures, const cuda_source *source, CUstream stream);

/* The same for who is in the device's context already. */
int cuda_pictures_begin_entered(cuda_pictures *pictures, const cuda_source *source, CUstream stream);

/* Waits for the oldest one begun, which is good until the next take. -ENODATA where none is begun. */
int cuda_pictures_take(cuda_pictures *pictures, encoder_picture *picture);

const cuda_device *cuda_pictures_device(const cuda_pictures *pictures);

/* Waits for the GPU. NULL is fine. */
void cuda_pictures_close(cuda_pictures *pictures);

#endif
