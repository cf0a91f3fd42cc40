#include "nvenc_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

static const char *const status_names[] = {
    [NV_ENC_SUCCESS] = "NV_ENC_SUCCESS",
    [NV_ENC_ERR_NO_ENCODE_DEVICE] = "NV_ENC_ERR_NO_ENCODE_DEVICE",
    [NV_ENC_ERR_UNSUPPORTED_DEVICE] = "NV_ENC_ERR_UNSUPPORTED_DEVICE",
    [NV_ENC_ERR_INVALID_ENCODERDEVICE] = "NV_ENC_ERR_INVALID_ENCODERDEVICE",
    [NV_ENC_ERR_INVALID_DEVICE] = "NV_ENC_ERR_INVALID_DEVICE",
    [NV_ENC_ERR_DEVICE_NOT_EXIST] = "NV_ENC_ERR_DEVICE_NOT_EXIST",
    [NV_ENC_ERR_INVALID_PTR] = "NV_ENC_ERR_INVALID_PTR",
    [NV_ENC_ERR_INVALID_EVENT] = "NV_ENC_ERR_INVALID_EVENT",
    [NV_ENC_ERR_INVALID_PARAM] = "NV_ENC_ERR_INVALID_PARAM",
    [NV_ENC_ERR_INVALID_CALL] = "NV_ENC_ERR_INVALID_CALL",
    [NV_ENC_ERR_OUT_OF_MEMORY] = "NV_ENC_ERR_OUT_OF_MEMORY",
    [NV_ENC_ERR_ENCODER_NOT_INITIALIZED] = "NV_ENC_ERR_ENCODER_NOT_INITIALIZED",
    [NV_ENC_ERR_UNSUPPORTED_PARAM] = "NV_ENC_ERR_UNSUPPORTED_PARAM",
    [NV_ENC_ERR_LOCK_BUSY] = "NV_ENC_ERR_LOCK_BUSY",
    [NV_ENC_ERR_NOT_ENOUGH_BUFFER] = "NV_ENC_ERR_NOT_ENOUGH_BUFFER",
    [NV_ENC_ERR_INVALID_VERSION] = "NV_ENC_ERR_INVALID_VERSION",
    [NV_ENC_ERR_MAP_FAILED] = "NV_ENC_ERR_MAP_FAILED",
    [NV_ENC_ERR_NEED_MORE_INPUT] = "NV_ENC_ERR_NEED_MORE_INPUT",
    [NV_ENC_ERR_ENCODER_BUSY] = "NV_ENC_ERR_ENCODER_BUSY",
    [NV_ENC_ERR_EVENT_NOT_REGISTERD] = "NV_ENC_ERR_EVENT_NOT_REGISTERD",
    [NV_ENC_ERR_GENERIC] = "NV_ENC_ERR_GENERIC",
    [NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY] = "NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY",
    [NV_ENC_ERR_UNIMPLEMENTED] = "NV_ENC_ERR_UNIMPLEMENTED",
    [NV_ENC_ERR_RESOURCE_REGISTER_FAILED] = "NV_ENC_ERR_RESOURCE_REGISTER_FAILED",
    [NV_ENC_ERR_RESOURCE_NOT_REGISTERED] = "NV_ENC_ERR_RESOURCE_NOT_REGISTERED",
    [NV_ENC_ERR_RESOURCE_NOT_MAPPED] = "NV_ENC_ERR_RESOURCE_NOT_MAPPED",
};

const char *nvenc_status_name(NVENCSTATUS status) {
  size_t index = (size_t)status;
  return index < sizeof status_names / sizeof status_names[0] ? status_names[index] : "an unknown status";
}

static int load(nvenc_library *library) {
  NVENCSTATUS (*max_version)(uint32_t *);
  NVENCSTATUS (*create_instance)(NV_ENCODE_API_FUNCTION_LIST *);
  void *shared = dlopen("libnvidia-encode.so.1", RTLD_NOW | RTLD_LOCAL);
  if (shared == NULL) return error_set(ENODEV, "%s", dlerror());
  *(void **)&max_version = dlsym(shared, "NvEncodeAPIGetMaxSupportedVersion");
  *(void **)&create_instance = dlsym(shared, "NvEncodeAPICreateInstance");
  if (max_version == NULL || create_instance == NULL) {
    return error_set(ENODEV, "libnvidia-encode.so.1: has no NvEncodeAPICreateInstance");
  }
  uint32_t version = 0;
  NVENCSTATUS status = max_version(&version);
  if (status != NV_ENC_SUCCESS) {
    return error_set(ENODEV, "NvEncodeAPIGetMaxSupportedVersion: %s", nvenc_status_name(status));
  }
  /* Here the minor version is in the low four bits, other than in NVENCAPI_VERSION. */
  library->version_major = version >> 4;
  library->version_minor = version & 15;
  if (version < (NVENCAPI_MAJOR_VERSION << 4 | NVENCAPI_MINOR_VERSION)) {
    return error_set(ENOTSUP, "the driver is too old: it has NVENC %u.%u, needed is %u.%u", library->version_major,
                     library->version_minor, NVENCAPI_MAJOR_VERSION, NVENCAPI_MINOR_VERSION);
  }
  library->api = (NV_ENCODE_API_FUNCTION_LIST){.version = NV_ENCODE_API_FUNCTION_LIST_VER};
  status = create_instance(&library->api);
  if (status != NV_ENC_SUCCESS) {
    return error_set(ENODEV, "NvEncodeAPICreateInstance: %s", nvenc_status_name(status));
  }
  return 0;
}

int nvenc_library_get(const nvenc_library **library) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static nvenc_library loaded;
  static bool is_loaded;
  pthread_mutex_lock(&mutex);
  int result = is_loaded ? 0 : load(&loaded);
  is_loaded = result == 0;
  pthread_mutex_unlock(&mutex);
  *library = &loaded;
  return result;
}
