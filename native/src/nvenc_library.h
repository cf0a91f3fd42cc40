/* NVIDIA's driver libraries, found at run time: libcuda.so.1 and libnvidia-encode.so.1 come with the driver, and most
 * machines have neither. */
#ifndef TELE_NVENC_LIBRARY_H
#define TELE_NVENC_LIBRARY_H

#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/nvEncodeAPI.h>

typedef struct nvenc_library {
  tcuInit *init;
  tcuGetErrorName *error_name;
  tcuDeviceGetCount *device_count;
  tcuDeviceGet *device_get;
  tcuDeviceGetName *device_name;
  tcuDevicePrimaryCtxSetFlags *context_set_flags;
  tcuDevicePrimaryCtxRetain *context_retain;
  tcuDevicePrimaryCtxRelease *context_release;
  tcuCtxPushCurrent_v2 *context_push;
  tcuCtxPopCurrent_v2 *context_pop;
  NV_ENCODE_API_FUNCTION_LIST api;
  uint32_t version_major, version_minor; /* of the encode API, as the driver has it */
  int devices_count;                     /* at least 1 */
} nvenc_library;

/* Loads both when first called, and keeps them for the life of the process. Negative errno with a text that says what
 * was found. Any thread. */
int nvenc_library_get(const nvenc_library **library);

/* "NV_ENC_ERR_UNSUPPORTED_DEVICE" */
const char *nvenc_status_name(NVENCSTATUS status);

/* "CUDA_ERROR_NO_DEVICE" */
const char *nvenc_cuda_name(const nvenc_library *library, CUresult result);

#endif
