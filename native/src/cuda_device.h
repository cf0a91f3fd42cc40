/* One of CUDA's devices, by its primary context: the one that CUDA's runtime, PyTorch and JAX use, so that memory and
 * streams of theirs are valid in it. */
#ifndef TELE_CUDA_DEVICE_H
#define TELE_CUDA_DEVICE_H

#include "cuda_library.h"

typedef struct cuda_device {
  const cuda_library *library;
  CUdevice device; /* the driver's ordinal */
  CUcontext context;
  char name[64];
} cuda_device;

/* Fills in library, device and name, and makes no context yet. -ENODEV where there is no such device. */
int cuda_device_find(int ordinal, cuda_device *device);

/* Retains its primary context. -EIO with a text. */
int cuda_device_open(cuda_device *device);

/* Every call that works in the context stands between these two, since each may come from another thread. */
int cuda_device_enter(const cuda_device *device);
void cuda_device_leave(const cuda_device *device);

/* Everything made in the context is destroyed by now. */
void cuda_device_close(cuda_device *device);

/* 0 for success, else a negative errno with a text: the device, the call and the driver's name for the error. */
int cuda_check(const cuda_device *device, const char *call, CUresult result);

#endif
