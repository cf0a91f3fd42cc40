/* What CUDA's driver says of its devices. */
#include <errno.h>

#include "cuda_library.h"
#include "error.h"
#include "json_text.h"
#include "telebridge.h"

#define DEVICES_MAX 64

static int check(const cuda_library *cuda, const char *call, CUresult result) {
  return result == CUDA_SUCCESS ? 0 : error_set(ENODEV, "%s: %s", call, cuda_error_name(cuda, result));
}

static int append_device(const cuda_library *cuda, int index, text *json) {
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
  const cuda_library *cuda;
  int version = 0, devices_count = 0;
  int result = cuda_library_get(&cuda);
  if (result == 0) result = check(cuda, "cuDriverGetVersion", cuda->driver_version(&version));
  if (result == 0) result = check(cuda, "cuDeviceGetCount", cuda->device_count(&devices_count));
  if (result < 0) return result;
  text json = {.at = buffer, .bytes = buffer_bytes};
  text_append(&json, "{\"cuda\":\"%d.%d\",\"devices\":[", version / 1000, version % 1000 / 10);
  for (int i = 0; i < devices_count && i < DEVICES_MAX; i++) {
    result = append_device(cuda, i, &json);
    if (result < 0) return result;
  }
  text_append(&json, "]}");
  return text_end(&json, "CUDA's devices");
}
