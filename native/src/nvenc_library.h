/* NVIDIA's encoder API, found at run time: libnvidia-encode.so.1 comes with the driver, and most machines have none. */
#ifndef TELE_NVENC_LIBRARY_H
#define TELE_NVENC_LIBRARY_H

#include <ffnvcodec/nvEncodeAPI.h>

typedef struct nvenc_library {
  NV_ENCODE_API_FUNCTION_LIST api;
  uint32_t version_major, version_minor; /* of the encode API, as the driver has it */
} nvenc_library;

/* Loads it when first called, and keeps it for the life of the process. Negative errno with a text that says what was
 * found. Any thread. */
int nvenc_library_get(const nvenc_library **library);

/* "NV_ENC_ERR_UNSUPPORTED_DEVICE" */
const char *nvenc_status_name(NVENCSTATUS status);

#endif
