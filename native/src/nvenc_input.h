/* Where NVENC takes its pictures from: buffers of the driver's own, filled from memory, or the caller's memory on the
 * GPU, registered once and mapped for each picture. All calls within the session's context. */
#ifndef TELE_NVENC_INPUT_H
#define TELE_NVENC_INPUT_H

#include "encoder.h"
#include "nvenc_session.h"

/* "At least 4 more than the number of B-frames", of inputs and of outputs; they take turns. */
#define NVENC_BUFFERS 4

typedef struct nvenc_input {
  NV_ENC_INPUT_PTR buffer;          /* the driver's; from the GPU's memory: while it is mapped */
  NV_ENC_REGISTERED_PTR registered; /* the caller's, with the next two */
  uint64_t device_address;
  uint32_t pitch;
} nvenc_input;

typedef struct nvenc_inputs {
  nvenc_session *session;
  nvenc_input all[NVENC_BUFFERS];
  uint32_t turn;
  bool from_device;
} nvenc_inputs;

/* After it failed too, nvenc_inputs_destroy() ends what was made. */
int nvenc_inputs_create(nvenc_session *session, const encoder_config *config, nvenc_inputs *inputs);

/* Puts the picture, and how it lies there, into params; nvenc_inputs_release() follows once it is encoded, or failed.
 * On failure nothing is mapped. */
int nvenc_inputs_take(nvenc_inputs *inputs, const encoder_picture *picture, NV_ENC_PIC_PARAMS *params,
                      nvenc_input **taken);
int nvenc_inputs_release(nvenc_inputs *inputs, nvenc_input *taken);

/* As far as it came, and on a lost GPU too. */
void nvenc_inputs_destroy(nvenc_inputs *inputs);

#endif
