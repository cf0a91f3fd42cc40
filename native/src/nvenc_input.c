#include "nvenc_input.h"

#include <string.h>

int nvenc_inputs_create(nvenc_session *session, const encoder_config *config, nvenc_inputs *inputs) {
  *inputs = (nvenc_inputs){.session = session, .from_device = config->cuda_device != 0};
  for (int i = 0; i < NVENC_BUFFERS && !inputs->from_device; i++) {
    NV_ENC_CREATE_INPUT_BUFFER made = {.version = NV_ENC_CREATE_INPUT_BUFFER_VER,
                                       .width = config->width,
                                       .height = config->height,
                                       .bufferFmt = NV_ENC_BUFFER_FORMAT_IYUV};
    NVENCSTATUS status = session->api->nvEncCreateInputBuffer(session->encoder, &made);
    if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncCreateInputBuffer", status);
    inputs->all[i].buffer = made.inputBuffer;
  }
  return 0;
}

/* ---- From memory --------------------------------------------------------------------------------- */

static uint8_t *copy_plane(uint8_t *to, uint32_t pitch, const uint8_t *from, int stride, uint32_t width,
                           uint32_t height) {
  for (uint32_t row = 0; row < height; row++) {
    memcpy(to + (size_t)row * pitch, from + (ptrdiff_t)row * stride, width);
  }
  return to + (size_t)height * pitch;
}

/* Planes follow one another in the driver's buffer, those of chroma at half the pitch. */
static int fill(nvenc_session *session, const nvenc_input *input, const encoder_picture *picture,
                NV_ENC_PIC_PARAMS *params) {
  NV_ENC_LOCK_INPUT_BUFFER lock = {.version = NV_ENC_LOCK_INPUT_BUFFER_VER, .inputBuffer = input->buffer};
  NVENCSTATUS status = session->api->nvEncLockInputBuffer(session->encoder, &lock);
  if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncLockInputBuffer", status);
  uint32_t width = picture->width, height = picture->height;
  uint8_t *at = lock.bufferDataPtr;
  at = copy_plane(at, lock.pitch, picture->planes[0], picture->strides[0], width, height);
  at = copy_plane(at, lock.pitch / 2, picture->planes[1], picture->strides[1], width / 2, height / 2);
  copy_plane(at, lock.pitch / 2, picture->planes[2], picture->strides[2], width / 2, height / 2);
  status = session->api->nvEncUnlockInputBuffer(session->encoder, input->buffer);
  if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncUnlockInputBuffer", status);
  params->inputBuffer = input->buffer;
  params->inputPitch = lock.pitch;
  params->bufferFmt = NV_ENC_BUFFER_FORMAT_IYUV;
  return 0;
}

/* ---- From the GPU's memory ----------------------------------------------------------------------- */

static void forget(nvenc_session *session, nvenc_input *input) {
  if (input->registered != NULL) session->api->nvEncUnregisterResource(session->encoder, input->registered);
  *input = (nvenc_input){0};
}

/* Callers use few addresses, in turn: more than NVENC_BUFFERS cost a registration each time. */
static int find_registered(nvenc_inputs *inputs, const encoder_picture *picture, nvenc_input **found) {
  nvenc_session *session = inputs->session;
  uint32_t pitch = (uint32_t)picture->strides[0];
  for (int i = 0; i < NVENC_BUFFERS; i++) {
    *found = &inputs->all[i];
    if ((*found)->device_address == picture->device_address && (*found)->pitch == pitch) return 0;
  }
  *found = &inputs->all[inputs->turn++ % NVENC_BUFFERS];
  forget(session, *found);
  NV_ENC_REGISTER_RESOURCE wanted = {.version = NV_ENC_REGISTER_RESOURCE_VER,
                                     .resourceType = NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR,
                                     .width = picture->width,
                                     .height = picture->height,
                                     .pitch = pitch,
                                     .resourceToRegister = (void *)(uintptr_t)picture->device_address,
                                     .bufferFormat = NV_ENC_BUFFER_FORMAT_NV12,
                                     .bufferUsage = NV_ENC_INPUT_IMAGE};
  NVENCSTATUS status = session->api->nvEncRegisterResource(session->encoder, &wanted);
  if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncRegisterResource", status);
  **found =
      (nvenc_input){.registered = wanted.registeredResource, .device_address = picture->device_address, .pitch = pitch};
  return 0;
}

static int map(nvenc_session *session, nvenc_input *input, NV_ENC_PIC_PARAMS *params) {
  NV_ENC_MAP_INPUT_RESOURCE mapping = {.version = NV_ENC_MAP_INPUT_RESOURCE_VER,
                                       .registeredResource = input->registered};
  NVENCSTATUS status = session->api->nvEncMapInputResource(session->encoder, &mapping);
  if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncMapInputResource", status);
  input->buffer = mapping.mappedResource;
  params->inputBuffer = mapping.mappedResource;
  params->inputPitch = input->pitch;
  params->bufferFmt = mapping.mappedBufferFmt;
  return 0;
}

/* ---- Either --------------------------------------------------------------------------------------- */

int nvenc_inputs_take(nvenc_inputs *inputs, const encoder_picture *picture, NV_ENC_PIC_PARAMS *params,
                      nvenc_input **taken) {
  if (!inputs->from_device) {
    *taken = &inputs->all[inputs->turn++ % NVENC_BUFFERS];
    return fill(inputs->session, *taken, picture, params);
  }
  int result = find_registered(inputs, picture, taken);
  return result == 0 ? map(inputs->session, *taken, params) : result;
}

int nvenc_inputs_release(nvenc_inputs *inputs, nvenc_input *taken) {
  nvenc_session *session = inputs->session;
  if (!inputs->from_device) return 0;
  NV_ENC_INPUT_PTR mapped = taken->buffer;
  taken->buffer = NULL;
  NVENCSTATUS status = session->api->nvEncUnmapInputResource(session->encoder, mapped);
  return status == NV_ENC_SUCCESS ? 0 : nvenc_session_error(session, "nvEncUnmapInputResource", status);
}

void nvenc_inputs_destroy(nvenc_inputs *inputs) {
  nvenc_session *session = inputs->session;
  for (int i = 0; i < NVENC_BUFFERS && session != NULL; i++) {
    if (inputs->from_device) {
      forget(session, &inputs->all[i]);
    } else if (inputs->all[i].buffer != NULL) {
      session->api->nvEncDestroyInputBuffer(session->encoder, inputs->all[i].buffer);
    }
  }
}
