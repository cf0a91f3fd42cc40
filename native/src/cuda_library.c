#include "cuda_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "error.h"

#define LIBRARY "libcuda.so.1"

typedef struct wanted_symbol {
  const char *name;
  size_t offset; /* of its pointer in cuda_library */
} wanted_symbol;

/* The names that the driver exports: those with _v2 are what CUDA's own header maps the plain names to. All are as old
 * as CUDA 7. */
#define WANTED(name, member) \
  { name, offsetof(cuda_library, member) }
static const wanted_symbol symbols[] = {
    WANTED("cuInit", init),
    WANTED("cuGetErrorName", error_name),
    WANTED("cuDriverGetVersion", driver_version),
    WANTED("cuDeviceGetCount", device_count),
    WANTED("cuDeviceGet", device_get),
    WANTED("cuDeviceGetName", device_name),
    WANTED("cuDeviceGetAttribute", device_attribute),
    WANTED("cuDeviceTotalMem_v2", device_memory),
    WANTED("cuDevicePrimaryCtxSetFlags", context_set_flags),
    WANTED("cuDevicePrimaryCtxRetain", context_retain),
    WANTED("cuDevicePrimaryCtxRelease", context_release),
    WANTED("cuCtxPushCurrent_v2", context_push),
    WANTED("cuCtxPopCurrent_v2", context_pop),
    WANTED("cuMemAlloc_v2", memory_alloc),
    WANTED("cuMemFree_v2", memory_free),
    WANTED("cuMemHostAlloc", host_alloc),
    WANTED("cuMemFreeHost", host_free),
    WANTED("cuMemcpyDtoHAsync_v2", copy_to_host),
    WANTED("cuPointerGetAttribute", pointer_attribute),
    WANTED("cuArray3DGetDescriptor_v2", array_descriptor),
    WANTED("cuStreamCreate", stream_create),
    WANTED("cuStreamDestroy_v2", stream_destroy),
    WANTED("cuStreamWaitEvent", stream_wait_event),
    WANTED("cuStreamSynchronize", stream_synchronize),
    WANTED("cuEventCreate", event_create),
    WANTED("cuEventDestroy_v2", event_destroy),
    WANTED("cuEventRecord", event_record),
    WANTED("cuEventSynchronize", event_synchronize),
    WANTED("cuModuleLoadDataEx", module_load),
    WANTED("cuModuleUnload", module_unload),
    WANTED("cuModuleGetFunction", module_function),
    WANTED("cuLaunchKernel", launch),
    WANTED("cuTexObjectCreate", texture_create),
    WANTED("cuTexObjectDestroy", texture_destroy),
    WANTED("cuGLGetDevices_v2", gl_devices),
    WANTED("cuGraphicsGLRegisterImage", gl_register_image),
    WANTED("cuGraphicsUnregisterResource", graphics_unregister),
    WANTED("cuGraphicsMapResources", graphics_map),
    WANTED("cuGraphicsUnmapResources", graphics_unmap),
    WANTED("cuGraphicsSubResourceGetMappedArray", graphics_array),
};

const char *cuda_error_name(const cuda_library *library, CUresult result) {
  const char *name = NULL;
  library->error_name(result, &name);
  return name != NULL ? name : "an unknown error";
}

static int load(cuda_library *library) {
  void *shared = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (shared == NULL) return error_set(ENODEV, "%s", dlerror());
  for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
    void *symbol = dlsym(shared, symbols[i].name);
    if (symbol == NULL) return error_set(ENODEV, LIBRARY ": has no %s", symbols[i].name);
    *(void **)((char *)library + symbols[i].offset) = symbol;
  }
  CUresult result = library->init(0);
  return result == CUDA_SUCCESS ? 0 : error_set(ENODEV, "cuInit: %s", cuda_error_name(library, result));
}

int cuda_library_get(const cuda_library **library) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static cuda_library loaded;
  static bool is_loaded;
  pthread_mutex_lock(&mutex);
  int result = is_loaded ? 0 : load(&loaded);
  is_loaded = result == 0;
  pthread_mutex_unlock(&mutex);
  *library = &loaded;
  return result;
}
