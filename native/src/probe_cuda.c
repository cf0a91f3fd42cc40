/* CUDA's driver, found at run time, and what it says of its devices. */
#include <dlfcn.h>
#include <errno.h>
#include <ffnvcodec/dynlink_cuda.h>
#include <stddef.h>

#include "error.h"
#include "json_text.h"
#include "telebridge.h"

#define LIBRARY "libcuda.so.1"
#define DEVICES_MAX 64

typedef struct cuda {
  tcuInit *init;
  tcuGetErrorName *error_name;
  CUresult (*driver_version)(int *version); /* 1000 * major + 10 * minor */
  tcuDeviceGetCount *device_count;
  tcuDeviceGet *device_get;
  tcuDeviceGetName *device_name;
  tcuDeviceGetAttribute *device_attribute;
  CUresult (*device_memory)(size_t *bytes, CUdevice device);
} cuda;

static const struct {
  const char *name;
  size_t offset;
} symbols[] = {
    {"cuInit", offsetof(cuda, init)},
    {"cuGetErrorName", offsetof(cuda, error_name)},
    {"cuDriverGetVersion", offsetof(cuda, driver_version)},
    {"cuDeviceGetCount", offsetof(cuda, device_count)},
    {"cuDeviceGet", offsetof(cuda, device_get)},
    {"cuDeviceGetName", offsetof(cuda, device_name)},
    {"cuDeviceGetAttribute", offsetof(cuda, device_attribute)},
    {"cuDeviceTotalMem_v2", offsetof(cuda, device_memory)},
};

static int load(cuda *cuda) {
  void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return error_set(ENODEV, "%s", dlerror());
  for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
    void *symbol = dlsym(library, symbols[i].name);
    if (symbol == NULL) return error_set(ENODEV, LIBRARY ": has no %s", symbols[i].name);
    *(void **)((char *)cuda + symbols[i].offset) = symbol;
  }
  return 0;
}

static int check(const cuda *cuda, const char *call, CUresult result) {
  const char *name = NULL;
  if (result == CUDA_SUCCESS) return 0;
  cuda->error_name(result, &name);
  return error_set(ENODEV, "%s: %s", call, name != NULL ? name : "an unknown error");
}

static int append_device(const cuda *cuda, int index, text *json) {
  CUdevice device;
  char name[128] = "";
  size_t memory_bytes = 0;
  int major = 0, minor = 0;
  int result = check(cuda, "cuDeviceGet", cuda->device_get(&device, index));
  if (result == 0) result = check(cuda, "cuDeviceGetName", cuda->device_name(name, sizeof name, device));
  if (result == 0) result = check(cuda, "cuDeviceTotalMem", cuda->device_memory(&memory_bytes, device));
  if (result < 0) return result;
  cuda->device_attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
  cuda->device_attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
  text_append(json, "%s{\"name\":", index == 0 ? "" : ",");
  text_append_string(json, name);
  text_append(json, ",\"memory_bytes\":%zu,\"compute_capability\":\"%d.%d\"}", memory_bytes, major, minor);
  return 0;
}

int tele_probe_cuda_json(char *buffer, size_t buffer_bytes) {
  cuda cuda;
  int version = 0, devices_count = 0;
  int result = load(&cuda);
  if (result == 0) result = check(&cuda, "cuInit", cuda.init(0));
  if (result == 0) result = check(&cuda, "cuDriverGetVersion", cuda.driver_version(&version));
  if (result == 0) result = check(&cuda, "cuDeviceGetCount", cuda.device_count(&devices_count));
  if (result < 0) return result;
  text json = {.at = buffer, .bytes = buffer_bytes};
  text_append(&json, "{\"cuda\":\"%d.%d\",\"devices\":[", version / 1000, version % 1000 / 10);
  for (int i = 0; i < devices_count && i < DEVICES_MAX; i++) {
    result = append_device(&cuda, i, &json);
    if (result < 0) return result;
  }
  text_append(&json, "]}");
  return text_end(&json, "CUDA's devices");
}
