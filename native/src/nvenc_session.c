#include "nvenc_session.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

static int errno_of(NVENCSTATUS status) {
  switch (status) {
    case NV_ENC_ERR_NO_ENCODE_DEVICE:
    case NV_ENC_ERR_UNSUPPORTED_DEVICE:
    case NV_ENC_ERR_INVALID_ENCODERDEVICE:
    case NV_ENC_ERR_INVALID_DEVICE: return ENODEV;
    case NV_ENC_ERR_OUT_OF_MEMORY: return ENOMEM;
    case NV_ENC_ERR_INVALID_VERSION:
    case NV_ENC_ERR_UNIMPLEMENTED: return ENOTSUP;
    case NV_ENC_ERR_INVALID_PARAM:
    case NV_ENC_ERR_UNSUPPORTED_PARAM: return EINVAL;
    default: return EIO; /* NV_ENC_ERR_DEVICE_NOT_EXIST above all: the GPU fell off the bus, or was reset */
  }
}

int nvenc_session_error(nvenc_session *session, const char *call, NVENCSTATUS status) {
  const char *said = session->encoder != NULL ? session->api->nvEncGetLastErrorString(session->encoder) : NULL;
  bool says = said != NULL && said[0] != '\0';
  return error_set(errno_of(status), "%s: %s: %s%s%s%s", session->gpu.name, call, nvenc_status_name(status),
                   says ? " (" : "", says ? said : "", says ? ")" : "");
}

/* ---- What it can do ---------------------------------------------------------------------------- */

static int check_codec(nvenc_session *session) {
  uint32_t count = 0;
  NVENCSTATUS status = session->api->nvEncGetEncodeGUIDCount(session->encoder, &count);
  if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncGetEncodeGUIDCount", status);
  GUID *guids = calloc(count + 1, sizeof *guids);
  if (guids == NULL) return error_set(ENOMEM, "%s: no memory", session->gpu.name);
  status = session->api->nvEncGetEncodeGUIDs(session->encoder, guids, count, &count);
  bool found = false;
  for (uint32_t i = 0; status == NV_ENC_SUCCESS && i < count; i++) {
    if (memcmp(&guids[i], &NV_ENC_CODEC_H264_GUID, sizeof guids[i]) == 0) found = true;
  }
  free(guids);
  if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncGetEncodeGUIDs", status);
  return found ? 0 : error_set(ENODEV, "%s: its encoder has no H.264", session->gpu.name);
}

static int check_input_format(nvenc_session *session, NV_ENC_BUFFER_FORMAT wanted) {
  uint32_t count = 0;
  NVENCSTATUS status = session->api->nvEncGetInputFormatCount(session->encoder, NV_ENC_CODEC_H264_GUID, &count);
  if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncGetInputFormatCount", status);
  NV_ENC_BUFFER_FORMAT *formats = calloc(count + 1, sizeof *formats);
  if (formats == NULL) return error_set(ENOMEM, "%s: no memory", session->gpu.name);
  status = session->api->nvEncGetInputFormats(session->encoder, NV_ENC_CODEC_H264_GUID, formats, count, &count);
  bool found = false;
  for (uint32_t i = 0; status == NV_ENC_SUCCESS && i < count; i++) {
    if (formats[i] == wanted) found = true;
  }
  free(formats);
  if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncGetInputFormats", status);
  return found ? 0
               : error_set(ENODEV, "%s: its encoder takes no %s", session->gpu.name,
                           wanted == NV_ENC_BUFFER_FORMAT_NV12 ? "NV12" : "I420");
}

static int read_sizes(nvenc_session *session) {
  const struct {
    NV_ENC_CAPS ability;
    uint32_t *value;
  } wanted[] = {{NV_ENC_CAPS_WIDTH_MIN, &session->width_min},
                {NV_ENC_CAPS_HEIGHT_MIN, &session->height_min},
                {NV_ENC_CAPS_WIDTH_MAX, &session->width_max},
                {NV_ENC_CAPS_HEIGHT_MAX, &session->height_max}};
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
    NV_ENC_CAPS_PARAM question = {.version = NV_ENC_CAPS_PARAM_VER, .capsToQuery = wanted[i].ability};
    int value = 0;
    NVENCSTATUS status = session->api->nvEncGetEncodeCaps(session->encoder, NV_ENC_CODEC_H264_GUID, &question, &value);
    if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncGetEncodeCaps", status);
    *wanted[i].value = value > 0 ? (uint32_t)value : 0;
  }
  return 0;
}

/* ---- Opening ----------------------------------------------------------------------------------- */

static int open_error(nvenc_session *session, NVENCSTATUS status) {
  switch (status) {
    case NV_ENC_ERR_NO_ENCODE_DEVICE:
    case NV_ENC_ERR_UNSUPPORTED_DEVICE:
      return error_set(ENODEV, "%s: no encoder (%s)", session->gpu.name, nvenc_status_name(status));
    /* Consumer GPUs allow a few sessions for the whole machine; drivers differ in how they say so. */
    case NV_ENC_ERR_OUT_OF_MEMORY:
    case NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY:
      return error_set(EBUSY, "%s: no memory, or all sessions that the driver allows are in use (%s)",
                       session->gpu.name, nvenc_status_name(status));
    default: return nvenc_session_error(session, "nvEncOpenEncodeSessionEx", status);
  }
}

static int open_encoder(nvenc_session *session, NV_ENC_BUFFER_FORMAT wanted) {
  NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS params = {.version = NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER,
                                                 .deviceType = NV_ENC_DEVICE_TYPE_CUDA,
                                                 .device = session->gpu.context,
                                                 .apiVersion = NVENCAPI_VERSION};
  session->encoder = NULL; /* not the one of a GPU that was tried before */
  NVENCSTATUS status = session->api->nvEncOpenEncodeSessionEx(&params, &session->encoder);
  int result = status == NV_ENC_SUCCESS ? 0 : open_error(session, status);
  if (result == 0) result = check_codec(session);
  if (result == 0) result = check_input_format(session, wanted);
  if (result == 0) result = read_sizes(session);
  /* "If the creation of encoder session fails, the client must call NvEncDestroyEncoder": where it left something. */
  if (result < 0 && session->encoder != NULL) session->api->nvEncDestroyEncoder(session->encoder);
  return result;
}

static int open_on(nvenc_session *session, NV_ENC_BUFFER_FORMAT wanted) {
  int result = cuda_device_open(&session->gpu);
  if (result < 0) return result;
  result = cuda_device_enter(&session->gpu);
  if (result == 0) {
    result = open_encoder(session, wanted);
    cuda_device_leave(&session->gpu);
  }
  if (result < 0) cuda_device_close(&session->gpu);
  return result;
}

static int open_first(nvenc_session *session, int devices_count) {
  char name_before[sizeof session->gpu.name] = "";
  int result = 0;
  for (int i = 0; i < devices_count; i++) {
    int found = cuda_device_find(i, &session->gpu);
    /* Of eight GPUs without an encoder one is asked: a context on each takes seconds, and memory from who trains. */
    if (found == 0 && result == -ENODEV && strcmp(session->gpu.name, name_before) == 0) continue;
    memcpy(name_before, session->gpu.name, sizeof name_before);
    result = found == 0 ? open_on(session, NV_ENC_BUFFER_FORMAT_IYUV) : found;
    if (result == 0) return 0;
  }
  return result;
}

int nvenc_session_open(uint32_t cuda_device, nvenc_session *session) {
  *session = (nvenc_session){0};
  const nvenc_library *library;
  const cuda_library *cuda;
  int devices_count = 0;
  int result = cuda_library_get(&cuda);
  if (result == 0) result = nvenc_library_get(&library);
  if (result < 0) return result;
  session->library = library;
  session->api = &library->api;
  if (cuda_device != 0) {
    result = cuda_device_find((int)cuda_device - 1, &session->gpu);
    return result == 0 ? open_on(session, NV_ENC_BUFFER_FORMAT_NV12) : result;
  }
  CUresult counted = cuda->device_count(&devices_count);
  if (counted != CUDA_SUCCESS) return error_set(ENODEV, "cuDeviceGetCount: %s", cuda_error_name(cuda, counted));
  if (devices_count < 1) return error_set(ENODEV, "the driver knows no GPU");
  return open_first(session, devices_count);
}

void nvenc_session_close(nvenc_session *session) {
  /* A lost GPU refuses the context; what the driver keeps for the session is freed all the same. */
  bool entered = cuda_device_enter(&session->gpu) == 0;
  session->api->nvEncDestroyEncoder(session->encoder);
  if (entered) cuda_device_leave(&session->gpu);
  cuda_device_close(&session->gpu);
}
