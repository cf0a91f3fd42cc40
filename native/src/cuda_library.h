/* CUDA's driver, found at run time: libcuda.so.1 comes with NVIDIA's driver, and most machines have none. */
#ifndef TELE_CUDA_LIBRARY_H
#define TELE_CUDA_LIBRARY_H

#include <ffnvcodec/dynlink_cuda.h>
#include <stddef.h>

/* What ffnvcodec's header leaves out of CUDA's: the same names and values. */
enum {
  CUDA_ERROR_INVALID_VALUE_CODE = 1,
  CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL_CODE = 9,
};

typedef struct cuda_library {
  tcuInit *init;
  tcuGetErrorName *error_name;
  CUresult (*driver_version)(int *version); /* 1000 * major + 10 * minor */
  tcuDeviceGetCount *device_count;
  tcuDeviceGet *device_get;
  tcuDeviceGetName *device_name;
  tcuDeviceGetAttribute *device_attribute;
  CUresult (*device_memory)(size_t *bytes, CUdevice device);
  tcuDevicePrimaryCtxSetFlags *context_set_flags;
  tcuDevicePrimaryCtxRetain *context_retain;
  tcuDevicePrimaryCtxRelease *context_release;
  tcuCtxPushCurrent_v2 *context_push;
  tcuCtxPopCurrent_v2 *context_pop;

  tcuMemAlloc_v2 *memory_alloc;
  tcuMemFree_v2 *memory_free;
  CUresult (*host_alloc)(void **memory, size_t bytes, unsigned flags);
  CUresult (*host_free)(void *memory);
  tcuMemcpyDtoHAsync_v2 *copy_to_host;
  CUresult (*pointer_attribute)(void *value, int attribute, CUdeviceptr address);
  CUresult (*array_descriptor)(CUDA_ARRAY3D_DESCRIPTOR *descriptor, CUarray array);

  tcuStreamCreate *stream_create;
  tcuStreamDestroy_v2 *stream_destroy;
  CUresult (*stream_wait_event)(CUstream stream, CUevent event, unsigned flags);
  tcuStreamSynchronize *stream_synchronize;
  tcuEventCreate *event_create;
  tcuEventDestroy_v2 *event_destroy;
  tcuEventRecord *event_record;
  tcuEventSynchronize *event_synchronize;

  CUresult (*module_load)(CUmodule *module, const void *image, unsigned options, CUjit_option *names, void **values);
  tcuModuleUnload *module_unload;
  tcuModuleGetFunction *module_function;
  tcuLaunchKernel *launch;
  tcuTexObjectCreate *texture_create;
  tcuTexObjectDestroy *texture_destroy;

  tcuGLGetDevices_v2 *gl_devices;
  tcuGraphicsGLRegisterImage *gl_register_image;
  tcuGraphicsUnregisterResource *graphics_unregister;
  tcuGraphicsMapResources *graphics_map;
  tcuGraphicsUnmapResources *graphics_unmap;
  tcuGraphicsSubResourceGetMappedArray *graphics_array;
} cuda_library;

/* Loads it and calls cuInit when first called, and keeps it for the life of the process. -ENODEV with a text that says
 * what was found. Any thread. */
int cuda_library_get(const cuda_library **library);

/* "CUDA_ERROR_NO_DEVICE" */
const char *cuda_error_name(const cuda_library *library, CUresult result);

#endif
