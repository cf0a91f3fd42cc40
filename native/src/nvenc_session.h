/* A session of the hardware encoder, on the GPU that has one. */
#ifndef TELE_NVENC_SESSION_H
#define TELE_NVENC_SESSION_H

#include "cuda_device.h"
#include "nvenc_library.h"

typedef struct nvenc_session {
  const nvenc_library *library;
  const NV_ENCODE_API_FUNCTION_LIST *api;
  cuda_device gpu; /* by its primary context: all sessions of the process share its memory */
  void *encoder;   /* what the API's calls take */
  uint32_t width_min, height_min, width_max, height_max;
} nvenc_session;

/* Opens one for H.264 on the first GPU that allows it, for pictures in I420 from memory, or where cuda_device is not 0
 * on CUDA's device cuda_device - 1, for pictures in NV12 from its memory. -ENODEV: no library, GPU or encoder;
 * -ENOTSUP: the driver is too old; -EBUSY: the driver allows no further session; -ENOMEM; -EIO. The text says what was
 * found. Every other call of the API stands between cuda_device_enter() and cuda_device_leave(). */
int nvenc_session_open(uint32_t cuda_device, nvenc_session *session);

/* Everything created in it is destroyed by now. */
void nvenc_session_close(nvenc_session *session);

/* The errno of a failed call, negative, with a text: what the driver says about it too. */
int nvenc_session_error(nvenc_session *session, const char *call, NVENCSTATUS status);

#endif
