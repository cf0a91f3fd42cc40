/* H.264 by the GPU's own encoder, through NVIDIA's NvEncodeAPI; the settings are its programming guide's for low
 * latency. Written against the real header and exercised against tests/native/nvenc_double only. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "nvenc_input.h"

#define BUSY_TRIES_MAX 200
#define BUSY_WAIT_NS 1000000

typedef struct nvenc_encoder {
  encoder base;
  nvenc_session session;
  encoder_config asked;
  NV_ENC_INITIALIZE_PARAMS params;
  NV_ENC_CONFIG config; /* params points to it */
  bool initialized;
  nvenc_inputs inputs;
  NV_ENC_OUTPUT_PTR outputs[NVENC_BUFFERS];
  uint32_t turn;
  uint8_t *bytes; /* of the newest access unit */
  size_t bytes_max;
} nvenc_encoder;

static int nvenc_probe(char *detail, size_t detail_bytes) {
  nvenc_session session;
  int result = nvenc_session_open(0, &session);
  if (result < 0) {
    snprintf(detail, detail_bytes, "%s", tele_error_message());
    return result;
  }
  snprintf(detail, detail_bytes, "NVENC %u.%u on %s", session.library->version_major, session.library->version_minor,
           session.gpu.name);
  nvenc_session_close(&session);
  return 0;
}

/* ---- Settings ---------------------------------------------------------------------------------- */

/* Better ones for small pictures, faster ones where the encoder's own time would be felt. */
static GUID preset_for(const encoder_config *config) {
  uint64_t pixels = (uint64_t)config->width * config->height;
  if (pixels <= 1280 * 720) return NV_ENC_PRESET_P3_GUID;
  return pixels <= 1920 * 1080 ? NV_ENC_PRESET_P2_GUID : NV_ENC_PRESET_P1_GUID;
}

/* What reconfigure() may change. The GOP is not among it, for the driver allows no change of the GOP's structure:
 * it is infinite there, and encode() counts and asks for IDRs. */
static void set_rates(nvenc_encoder *nvenc, const encoder_config *config) {
  uint64_t bits_per_s = (uint64_t)config->bitrate_kbps * 1000;
  uint64_t bits_per_picture = bits_per_s * 1000 / config->fps_mhz;
  NV_ENC_RC_PARAMS *rate = &nvenc->config.rcParams;
  rate->averageBitRate = bits_per_s < UINT32_MAX ? (uint32_t)bits_per_s : UINT32_MAX;
  rate->maxBitRate = rate->averageBitRate;
  rate->vbvBufferSize = bits_per_picture < UINT32_MAX ? (uint32_t)bits_per_picture : UINT32_MAX;
  rate->vbvInitialDelay = rate->vbvBufferSize;
  nvenc->params.frameRateNum = config->fps_mhz;
  nvenc->params.frameRateDen = 1000;
  nvenc->asked = *config;
}

static void set_vui(NV_ENC_CONFIG_H264_VUI_PARAMETERS *vui) {
  vui->videoSignalTypePresentFlag = 1;
  vui->videoFormat = 5; /* unspecified (H.264, table E-2) */
  vui->videoFullRangeFlag = 0;
  vui->colourDescriptionPresentFlag = 1;
  vui->colourPrimaries = 1; /* BT.709 (H.264, tables E-3 to E-5), like the next two */
  vui->transferCharacteristics = 1;
  vui->colourMatrix = 1;
  vui->bitstreamRestrictionFlag = 1; /* carries max_num_reorder_frames, which zeroReorderDelay makes 0 */
}

static void set_config(NV_ENC_CONFIG *config) {
  config->version = NV_ENC_CONFIG_VER;
  config->profileGUID = NV_ENC_H264_PROFILE_MAIN_GUID;
  config->gopLength = NVENC_INFINITE_GOPLENGTH;
  config->frameIntervalP = 1; /* no B-frames */
  config->frameFieldMode = NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME;
  NV_ENC_RC_PARAMS *rate = &config->rcParams;
  rate->version = NV_ENC_RC_PARAMS_VER;
  rate->rateControlMode = NV_ENC_PARAMS_RC_CBR;
  rate->zeroReorderDelay = 1;
  rate->enableLookahead = 0;
  rate->lookaheadDepth = 0;
  NV_ENC_CONFIG_H264 *h264 = &config->encodeCodecConfig.h264Config;
  h264->idrPeriod = NVENC_INFINITE_GOPLENGTH;
  h264->repeatSPSPPS = 1;
  h264->disableSPSPPS = 0;
  h264->outputAUD = 0;
  h264->enableFillerDataInsertion = 0; /* constant means "at most" here: nobody wants to receive zeros */
  h264->outputBufferingPeriodSEI = 0;
  h264->outputPictureTimingSEI = 0; /* with CBR it would insert filler too */
  h264->sliceMode = 3;              /* so many slices a picture */
  h264->sliceModeData = 1;
  h264->chromaFormatIDC = 1; /* 4:2:0 */
  h264->level = NV_ENC_LEVEL_AUTOSELECT;
  set_vui(&h264->h264VUIParameters);
}

static int initialize(nvenc_encoder *nvenc, const encoder_config *config) {
  nvenc_session *session = &nvenc->session;
  NV_ENC_PRESET_CONFIG preset = {.version = NV_ENC_PRESET_CONFIG_VER, .presetCfg = {.version = NV_ENC_CONFIG_VER}};
  NVENCSTATUS status = session->api->nvEncGetEncodePresetConfigEx(
      session->encoder, NV_ENC_CODEC_H264_GUID, preset_for(config), NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY, &preset);
  if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncGetEncodePresetConfigEx", status);
  nvenc->config = preset.presetCfg;
  set_config(&nvenc->config);
  nvenc->params = (NV_ENC_INITIALIZE_PARAMS){.version = NV_ENC_INITIALIZE_PARAMS_VER,
                                             .encodeGUID = NV_ENC_CODEC_H264_GUID,
                                             .presetGUID = preset_for(config),
                                             .encodeWidth = config->width,
                                             .encodeHeight = config->height,
                                             .darWidth = config->width,
                                             .darHeight = config->height,
                                             .enablePTD = 1, /* the driver decides what is P and what IDR */
                                             .encodeConfig = &nvenc->config,
                                             .tuningInfo = NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY};
  set_rates(nvenc, config);
  status = session->api->nvEncInitializeEncoder(session->encoder, &nvenc->params);
  if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncInitializeEncoder", status);
  nvenc->initialized = true;
  return 0;
}

/* ---- Opening and closing ----------------------------------------------------------------------- */

static int create_buffers(nvenc_encoder *nvenc, const encoder_config *config) {
  nvenc_session *session = &nvenc->session;
  int result = nvenc_inputs_create(session, config, &nvenc->inputs);
  for (int i = 0; result == 0 && i < NVENC_BUFFERS; i++) {
    NV_ENC_CREATE_BITSTREAM_BUFFER output = {.version = NV_ENC_CREATE_BITSTREAM_BUFFER_VER};
    NVENCSTATUS status = session->api->nvEncCreateBitstreamBuffer(session->encoder, &output);
    if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncCreateBitstreamBuffer", status);
    nvenc->outputs[i] = output.bitstreamBuffer;
  }
  return result;
}

/* As far as it came, and on a lost GPU too, where each of these calls fails and frees its part of the driver. */
static void destroy_buffers(nvenc_encoder *nvenc) {
  const nvenc_session *session = &nvenc->session;
  if (nvenc->initialized) {
    NV_ENC_PIC_PARAMS end = {.version = NV_ENC_PIC_PARAMS_VER, .encodePicFlags = NV_ENC_PIC_FLAG_EOS};
    session->api->nvEncEncodePicture(session->encoder, &end);
  }
  nvenc_inputs_destroy(&nvenc->inputs);
  for (int i = 0; i < NVENC_BUFFERS; i++) {
    if (nvenc->outputs[i] != NULL) session->api->nvEncDestroyBitstreamBuffer(session->encoder, nvenc->outputs[i]);
  }
}

static void nvenc_close(encoder *encoder) {
  nvenc_encoder *nvenc = (nvenc_encoder *)encoder;
  if (nvenc == NULL) return;
  bool entered = cuda_device_enter(&nvenc->session.gpu) == 0;
  destroy_buffers(nvenc);
  if (entered) cuda_device_leave(&nvenc->session.gpu);
  nvenc_session_close(&nvenc->session);
  free(nvenc->bytes);
  free(nvenc);
}

static int check_size(const nvenc_session *session, const encoder_config *config) {
  if (config->width >= session->width_min && config->height >= session->height_min &&
      config->width <= session->width_max && config->height <= session->height_max) {
    return 0;
  }
  return error_set(EINVAL, "%s: encodes %u x %u to %u x %u, and these are %u x %u", session->gpu.name,
                   session->width_min, session->height_min, session->width_max, session->height_max, config->width,
                   config->height);
}

static int nvenc_open(const encoder_config *config, encoder **made) {
  *made = NULL;
  nvenc_encoder *nvenc = calloc(1, sizeof *nvenc);
  if (nvenc == NULL) return error_set(ENOMEM, "cannot open NVENC: no memory");
  int result = nvenc_session_open(config->cuda_device, &nvenc->session);
  if (result < 0) {
    free(nvenc);
    return result;
  }
  nvenc->base.backend = &encoder_nvenc;
  snprintf(nvenc->base.name, sizeof nvenc->base.name, "NVENC %u.%u on %.15s", nvenc->session.library->version_major,
           nvenc->session.library->version_minor, nvenc->session.gpu.name);
  result = check_size(&nvenc->session, config);
  if (result == 0) result = cuda_device_enter(&nvenc->session.gpu);
  if (result == 0) {
    result = initialize(nvenc, config);
    if (result == 0) result = create_buffers(nvenc, config);
    cuda_device_leave(&nvenc->session.gpu);
  }
  if (result < 0) {
    nvenc_close(&nvenc->base);
    return result;
  }
  *made = &nvenc->base;
  return 0;
}

static int nvenc_reconfigure(encoder *encoder, const encoder_config *config) {
  nvenc_encoder *nvenc = (nvenc_encoder *)encoder;
  nvenc_session *session = &nvenc->session;
  int result = encoder_check_reconfigure(&nvenc->asked, config);
  if (result == 0) result = cuda_device_enter(&session->gpu);
  if (result < 0) return result;
  set_rates(nvenc, config);
  NV_ENC_RECONFIGURE_PARAMS change = {.version = NV_ENC_RECONFIGURE_PARAMS_VER, .reInitEncodeParams = nvenc->params};
  NVENCSTATUS status = session->api->nvEncReconfigureEncoder(session->encoder, &change);
  if (status != NV_ENC_SUCCESS) result = nvenc_session_error(session, "nvEncReconfigureEncoder", status);
  cuda_device_leave(&session->gpu);
  return result;
}

/* ---- Encoding ---------------------------------------------------------------------------------- */

static int submit(nvenc_encoder *nvenc, NV_ENC_PIC_PARAMS *picture) {
  nvenc_session *session = &nvenc->session;
  NVENCSTATUS status = session->api->nvEncEncodePicture(session->encoder, picture);
  for (int i = 0; status == NV_ENC_ERR_ENCODER_BUSY && i < BUSY_TRIES_MAX; i++) {
    nanosleep(&(struct timespec){.tv_nsec = BUSY_WAIT_NS}, NULL);
    status = session->api->nvEncEncodePicture(session->encoder, picture);
  }
  /* NV_ENC_ERR_NEED_MORE_INPUT is an error here: pictures would be held back, which these settings rule out. */
  return status == NV_ENC_SUCCESS ? 0 : nvenc_session_error(session, "nvEncEncodePicture", status);
}

static int keep_bytes(nvenc_encoder *nvenc, const void *bytes, size_t bytes_count) {
  if (bytes_count > nvenc->bytes_max) {
    uint8_t *grown = realloc(nvenc->bytes, bytes_count * 2);
    if (grown == NULL) return error_set(ENOMEM, "no memory for an access unit of %zu bytes", bytes_count);
    nvenc->bytes = grown;
    nvenc->bytes_max = bytes_count * 2;
  }
  memcpy(nvenc->bytes, bytes, bytes_count);
  return 0;
}

/* Waits until the GPU is done. */
static int fetch(nvenc_encoder *nvenc, NV_ENC_OUTPUT_PTR output, access_unit *out) {
  nvenc_session *session = &nvenc->session;
  NV_ENC_LOCK_BITSTREAM lock = {.version = NV_ENC_LOCK_BITSTREAM_VER, .outputBitstream = output};
  NVENCSTATUS status = session->api->nvEncLockBitstream(session->encoder, &lock);
  if (status != NV_ENC_SUCCESS) return nvenc_session_error(session, "nvEncLockBitstream", status);
  int result = keep_bytes(nvenc, lock.bitstreamBufferPtr, lock.bitstreamSizeInBytes);
  status = session->api->nvEncUnlockBitstream(session->encoder, output);
  if (result == 0 && status != NV_ENC_SUCCESS) result = nvenc_session_error(session, "nvEncUnlockBitstream", status);
  *out = (access_unit){.bytes = nvenc->bytes,
                       .bytes_count = lock.bitstreamSizeInBytes,
                       .keyframe = lock.pictureType == NV_ENC_PIC_TYPE_IDR};
  return result;
}

static int encode_entered(nvenc_encoder *nvenc, const encoder_picture *picture, bool keyframe, access_unit *out) {
  NV_ENC_PIC_PARAMS params = {.version = NV_ENC_PIC_PARAMS_VER,
                              .inputWidth = picture->width,
                              .inputHeight = picture->height,
                              .outputBitstream = nvenc->outputs[nvenc->turn++ % NVENC_BUFFERS],
                              .pictureStruct = NV_ENC_PIC_STRUCT_FRAME};
  if (keyframe) params.encodePicFlags = NV_ENC_PIC_FLAG_FORCEIDR | NV_ENC_PIC_FLAG_OUTPUT_SPSPPS;
  nvenc_input *input;
  int result = nvenc_inputs_take(&nvenc->inputs, picture, &params, &input);
  if (result < 0) return result;
  result = submit(nvenc, &params);
  if (result == 0) result = fetch(nvenc, params.outputBitstream, out);
  const error_text failure = error_save();
  int released = nvenc_inputs_release(&nvenc->inputs, input); /* whatever came of it */
  if (result == 0) return released;
  error_restore(&failure);
  return result;
}

static int nvenc_encode(encoder *encoder, const encoder_picture *picture, bool keyframe, access_unit *out) {
  nvenc_encoder *nvenc = (nvenc_encoder *)encoder;
  int result = encoder_check_picture(&nvenc->asked, picture);
  if (result == 0) result = cuda_device_enter(&nvenc->session.gpu);
  if (result < 0) return result;
  result = encode_entered(nvenc, picture, keyframe, out);
  cuda_device_leave(&nvenc->session.gpu);
  return result;
}

const encoder_backend encoder_nvenc = {.kind = TELE_ENCODER_NVENC,
                                       .name = "nvenc",
                                       .probe = nvenc_probe,
                                       .open = nvenc_open,
                                       .reconfigure = nvenc_reconfigure,
                                       .encode = nvenc_encode,
                                       .close = nvenc_close};
