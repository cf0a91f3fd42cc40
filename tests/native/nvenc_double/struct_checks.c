/* What nvEncodeAPI.h demands of each struct: its version, zeros where it says so, and values that a driver takes. */
#include <string.h>

#include "internals.h"

bool guid_equals(const GUID *a, const GUID *b) { return memcmp(a, b, sizeof *a) == 0; }

static void demand_zeros(const char *call, const char *field, const void *bytes, size_t bytes_count) {
  for (size_t i = 0; i < bytes_count; i++) {
    if (((const uint8_t *)bytes)[i] != 0) VIOLATION("%s: %s is not zero", call, field);
  }
}

#define HOLDS(call, condition)                                             \
  do {                                                                     \
    if (!(condition)) VIOLATION("%s: %s does not hold", call, #condition); \
  } while (0)
#define ZEROS(call, field) demand_zeros(call, #field, field, sizeof(field))
#define VERSION(call, given, expected) \
  if ((given) != (expected))           \
  VIOLATION("%s: the struct's version is %#x, not %s (%#x)", call, given, #expected, expected)

void check_open(const NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *params) {
  const char *call = "nvEncOpenEncodeSessionEx";
  VERSION(call, params->version, NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER);
  HOLDS(call, params->apiVersion == NVENCAPI_VERSION);
  HOLDS(call, params->deviceType == NV_ENC_DEVICE_TYPE_CUDA);
  HOLDS(call, params->reserved == NULL);
  ZEROS(call, params->reserved1);
  ZEROS(call, params->reserved2);
}

void check_caps(const NV_ENC_CAPS_PARAM *param) {
  VERSION("nvEncGetEncodeCaps", param->version, NV_ENC_CAPS_PARAM_VER);
  HOLDS("nvEncGetEncodeCaps", param->capsToQuery < NV_ENC_CAPS_EXPOSED_COUNT);
  ZEROS("nvEncGetEncodeCaps", param->reserved);
}

void check_preset(const NV_ENC_PRESET_CONFIG *preset) {
  const char *call = "nvEncGetEncodePresetConfigEx";
  VERSION(call, preset->version, NV_ENC_PRESET_CONFIG_VER);
  VERSION(call, preset->presetCfg.version, NV_ENC_CONFIG_VER);
  ZEROS(call, preset->reserved1);
  ZEROS(call, preset->reserved2);
}

static void check_rates(const char *call, const NV_ENC_RC_PARAMS *rate) {
  VERSION(call, rate->version, NV_ENC_RC_PARAMS_VER);
  HOLDS(call, rate->rateControlMode <= NV_ENC_PARAMS_RC_CBR); /* the later ones are deprecated */
  HOLDS(call, rate->averageBitRate > 0);
  HOLDS(call, rate->vbvInitialDelay <= rate->vbvBufferSize);
  HOLDS(call, rate->reservedBitField1 == 0 && rate->reservedBitFields == 0);
  HOLDS(call, rate->enableLookahead == 1 || rate->lookaheadDepth == 0);
  HOLDS(call, rate->qpMapMode <= NV_ENC_QP_MAP_DELTA);
  HOLDS(call, rate->reserved2 == 0);
  ZEROS(call, rate->reserved1);
  ZEROS(call, rate->reserved);
}

static void check_h264(const char *call, const NV_ENC_CONFIG_H264 *h264, const NV_ENC_CONFIG *config) {
  HOLDS(call, h264->reservedBitFields == 0);
  HOLDS(call, h264->idrPeriod >= config->gopLength);
  HOLDS(call, h264->chromaFormatIDC == 1);
  HOLDS(call, h264->disableDeblockingFilterIDC <= 2);
  HOLDS(call, h264->sliceMode <= 3);
  HOLDS(call, h264->sliceMode != 3 || h264->sliceModeData >= 1);
  HOLDS(call, !(h264->repeatSPSPPS && h264->disableSPSPPS));
  ZEROS(call, h264->h264VUIParameters.reserved);
  ZEROS(call, h264->reserved1);
  ZEROS(call, h264->reserved2);
}

static void check_config(const char *call, const NV_ENC_CONFIG *config) {
  static const GUID *const profiles[] = {&NV_ENC_CODEC_PROFILE_AUTOSELECT_GUID, &NV_ENC_H264_PROFILE_BASELINE_GUID,
                                         &NV_ENC_H264_PROFILE_MAIN_GUID, &NV_ENC_H264_PROFILE_HIGH_GUID};
  VERSION(call, config->version, NV_ENC_CONFIG_VER);
  bool profile_is_known = false;
  for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
    if (guid_equals(&config->profileGUID, profiles[i])) profile_is_known = true;
  }
  HOLDS(call, profile_is_known);
  HOLDS(call, config->gopLength > 0);
  HOLDS(call, config->gopLength != NVENC_INFINITE_GOPLENGTH || config->frameIntervalP == 1);
  HOLDS(call, config->frameFieldMode == NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME);
  HOLDS(call, config->mvPrecision <= NV_ENC_MV_PRECISION_QUARTER_PEL);
  ZEROS(call, config->reserved);
  ZEROS(call, config->reserved2);
  check_rates(call, &config->rcParams);
  check_h264(call, &config->encodeCodecConfig.h264Config, config);
}

void check_initialize(const char *call, const session *session, const NV_ENC_INITIALIZE_PARAMS *params) {
  VERSION(call, params->version, NV_ENC_INITIALIZE_PARAMS_VER);
  HOLDS(call, guid_equals(&params->encodeGUID, &NV_ENC_CODEC_H264_GUID));
  if (!session->preset_fetched) VIOLATION("%s: before nvEncGetEncodePresetConfigEx", call);
  HOLDS(call, guid_equals(&params->presetGUID, &session->preset));
  HOLDS(call, params->tuningInfo == session->tuning);
  HOLDS(call, params->darWidth > 0 && params->darHeight > 0);
  HOLDS(call, params->frameRateNum > 0 && params->frameRateDen > 0);
  HOLDS(call, params->enableEncodeAsync == 0); /* Windows only */
  HOLDS(call, params->enablePTD == 1);
  HOLDS(call, params->enableMEOnlyMode == 0 && params->enableOutputInVidmem == 0);
  HOLDS(call, params->reservedBitFields == 0);
  HOLDS(call, params->privDataSize == 0 && params->privData == NULL);
  HOLDS(call, params->bufferFormat == NV_ENC_BUFFER_FORMAT_UNDEFINED); /* D3D12 only */
  HOLDS(call, params->encodeConfig != NULL);
  ZEROS(call, params->maxMEHintCountsPerBlock);
  ZEROS(call, params->reserved);
  ZEROS(call, params->reserved2);
  check_config(call, params->encodeConfig);
}

void check_reconfigure(const session *session, const NV_ENC_RECONFIGURE_PARAMS *params) {
  const char *call = "nvEncReconfigureEncoder";
  VERSION(call, params->version, NV_ENC_RECONFIGURE_PARAMS_VER);
  HOLDS(call, params->reserved == 0);
  check_initialize(call, session, &params->reInitEncodeParams);
  const NV_ENC_INITIALIZE_PARAMS *now = &params->reInitEncodeParams, *before = &session->params;
  HOLDS(call, now->encodeWidth == before->encodeWidth && now->encodeHeight == before->encodeHeight);
  HOLDS(call, now->maxEncodeWidth == before->maxEncodeWidth && now->maxEncodeHeight == before->maxEncodeHeight);
  HOLDS(call, now->encodeConfig->gopLength == session->config.gopLength);
  HOLDS(call, now->encodeConfig->frameIntervalP == session->config.frameIntervalP);
  HOLDS(call, now->encodeConfig->encodeCodecConfig.h264Config.idrPeriod ==
                  session->config.encodeCodecConfig.h264Config.idrPeriod);
}

void check_create_input(const NV_ENC_CREATE_INPUT_BUFFER *params) {
  const char *call = "nvEncCreateInputBuffer";
  VERSION(call, params->version, NV_ENC_CREATE_INPUT_BUFFER_VER);
  HOLDS(call, params->memoryHeap == 0);
  HOLDS(call, params->reserved == 0);
  HOLDS(call, params->pSysMemBuffer == NULL);
  ZEROS(call, params->reserved1);
  ZEROS(call, params->reserved2);
}

void check_create_output(const NV_ENC_CREATE_BITSTREAM_BUFFER *params) {
  const char *call = "nvEncCreateBitstreamBuffer";
  VERSION(call, params->version, NV_ENC_CREATE_BITSTREAM_BUFFER_VER);
  HOLDS(call, params->size == 0 && params->memoryHeap == 0);
  HOLDS(call, params->reserved == 0);
  ZEROS(call, params->reserved1);
  ZEROS(call, params->reserved2);
}

void check_register(const NV_ENC_REGISTER_RESOURCE *wanted) {
  const char *call = "nvEncRegisterResource";
  VERSION(call, wanted->version, NV_ENC_REGISTER_RESOURCE_VER);
  HOLDS(call, wanted->resourceType == NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR);
  HOLDS(call, wanted->subResourceIndex == 0);
  HOLDS(call, wanted->bufferFormat == NV_ENC_BUFFER_FORMAT_NV12); /* all that the double takes */
  HOLDS(call, wanted->bufferUsage == NV_ENC_INPUT_IMAGE);
  HOLDS(call, wanted->pitch % 4 == 0 && wanted->pitch >= wanted->width);
  HOLDS(call, wanted->pInputFencePoint == NULL);
  HOLDS(call, wanted->registeredResource == NULL);
  ZEROS(call, wanted->reserved1);
  ZEROS(call, wanted->reserved2);
}

void check_map(const NV_ENC_MAP_INPUT_RESOURCE *wanted) {
  const char *call = "nvEncMapInputResource";
  VERSION(call, wanted->version, NV_ENC_MAP_INPUT_RESOURCE_VER);
  HOLDS(call, wanted->subResourceIndex == 0 && wanted->inputResource == NULL);
  ZEROS(call, wanted->reserved1);
  ZEROS(call, wanted->reserved2);
}

void check_lock_input(const NV_ENC_LOCK_INPUT_BUFFER *lock) {
  const char *call = "nvEncLockInputBuffer";
  VERSION(call, lock->version, NV_ENC_LOCK_INPUT_BUFFER_VER);
  HOLDS(call, lock->reservedBitFields == 0);
  ZEROS(call, lock->reserved1);
  ZEROS(call, lock->reserved2);
}

void check_lock_output(const NV_ENC_LOCK_BITSTREAM *lock) {
  const char *call = "nvEncLockBitstream";
  VERSION(call, lock->version, NV_ENC_LOCK_BITSTREAM_VER);
  HOLDS(call, lock->reservedBitFields == 0);
  ZEROS(call, lock->reserved);
  ZEROS(call, lock->reserved1);
  ZEROS(call, lock->reserved2);
}

void check_picture(const NV_ENC_PIC_PARAMS *picture) {
  const char *call = "nvEncEncodePicture";
  const NV_ENC_PIC_PARAMS_H264 *h264 = &picture->codecPicParams.h264PicParams;
  VERSION(call, picture->version, NV_ENC_PIC_PARAMS_VER);
  HOLDS(call, picture->encodePicFlags < NV_ENC_PIC_FLAG_EOS * 2);
  HOLDS(call, picture->completionEvent == NULL);
  HOLDS(call, picture->reservedBitFields == 0);
  HOLDS(call, picture->qpDeltaMap == NULL && picture->qpDeltaMapSize == 0);
  HOLDS(call, picture->meExternalHints == NULL && picture->alphaBuffer == NULL);
  HOLDS(call, h264->reservedBitFields == 0 && h264->reserved3 == 0);
  ZEROS(call, picture->reserved1);
  ZEROS(call, picture->reserved2);
  ZEROS(call, picture->reserved3);
  ZEROS(call, picture->reserved4);
  ZEROS(call, h264->reserved);
  ZEROS(call, h264->reserved2);
}
