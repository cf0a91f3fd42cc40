#include "cuda_device.h"

#include <errno.h>

#include "error.h"

enum { OUT_OF_MEMORY = 2 };

int cuda_check(const cuda_device *device, const char *call, CUresult result) {
  if (result == CUDA_SUCCESS) return 0;
  return error_set((int)result == OUT_OF_MEMORY ? ENOMEM : EIO, "%s: %s: %s", device->name, call,
                   cuda_error_name(device->library, result));
}

int cuda_device_find(int ordinal, cuda_device *device) {
  const cuda_library *library;
  int devices_count = 0;
  *device = (cuda_device){0};
  int result = cuda_library_get(&library);
  if (result < 0) return result;
  CUresult counted = library->device_count(&devices_count);
  if (counted != CUDA_SUCCESS) return error_set(ENODEV, "cuDeviceGetCount: %s", cuda_error_name(library, counted));
  if (devices_count < 1) return error_set(ENODEV, "the driver knows no GPU");
  if (ordinal < 0 || ordinal >= devices_count) {
    return error_set(ENODEV, "there is no CUDA device %d: the driver knows %d, counted from 0", ordinal, devices_count);
  }
  device->library = library;
  if (library->device_get(&device->device, ordinal) != CUDA_SUCCESS ||
      library->device_name(device->name, sizeof device->name, device->device) != CUDA_SUCCESS) {
    return error_set(ENODEV, "GPU %d does not tell its name", ordinal);
  }
  return 0;
}

int cuda_device_open(cuda_device *device) {
  /* A thread that waits for the GPU sleeps. Without effect where the context is active already. */
  device->library->context_set_flags(device->device, CU_CTX_SCHED_BLOCKING_SYNC);
  CUresult retained = device->library->context_retain(&device->context, device->device);
  if (retained == CUDA_SUCCESS) return 0;
  return error_set(EIO, "%s: cuDevicePrimaryCtxRetain: %s", device->name, cuda_error_name(device->library, retained));
}

int cuda_device_enter(const cuda_device *device) {
  return cuda_check(device, "cuCtxPushCurrent", device->library->context_push(device->context));
}

void cuda_device_leave(const cuda_device *device) {
  CUcontext popped;
  device->library->context_pop(&popped);
}

void cuda_device_close(cuda_device *device) { device->library->context_release(device->device); }
