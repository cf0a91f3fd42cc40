/* A session of the hardware encoder, on the GPU that has one. */
#ifndef TELE_NVENC_SESSION_H
#define TELE_NVENC_SESSION_H

#include "nvenc_library.h"

typedef struct nvenc_session {
  const nvenc_library *library;
  const NV_ENCODE_API_FUNCTION_LIST *api;
  CUdevice device;
  CUcontext context; /* the device's primary one: all sessions of the process share its memory */
  void *encoder;     /* what the API's calls take */
  char device_name[64];
  uint32_t width_min, height_min, width_max, height_max;
} nvenc_session;

/* Opens one that takes H.264 and I420 on the first GPU that allows it. -ENODEV: no library, GPU or encoder; -ENOTSUP:
 * the driver is too old; -EBUSY: the driver allows no further session; -ENOMEM; -EIO. The text says what was found. */
int nvenc_session_open(nvenc_session *session);

/* Every other call of the API stands between these two, since each may come from another thread. */
int nvenc_session_enter(nvenc_session *session);
void nvenc_session_leave(nvenc_session *session);

/* Everything created in it is destroyed by now. */
void nvenc_session_close(nvenc_session *session);

/* The errno of a failed call, negative, with a text: what the driver says about it too. */
int nvenc_session_error(nvenc_session *session, const char *call, NVENCSTATUS status);

#endif
