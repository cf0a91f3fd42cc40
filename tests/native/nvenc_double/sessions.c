/* Sessions: what they can do, how they are set, and that they end in order. */
#include <string.h>

#include "internals.h"

session *newest_session;

static NVENCSTATUS open_session(NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *params, void **encoder) {
  char name[64], state[16];
  check_open(params);
  CUcontext context = params->device;
  DEMAND(context != NULL && nvenc_double_current() == context, "nvEncOpenEncodeSessionEx: its context is not current");
  nvenc_double_gpu(context->device, name, state);
  /* Drivers need not write what they do not make. */
  if (strcmp(state, "none") == 0) return NV_ENC_ERR_UNSUPPORTED_DEVICE;
  session *made = new_handle(HANDLE_SESSION, sizeof *made, NULL);
  made->context = context;
  made->last_error = "";
  __atomic_add_fetch(&context->sessions, 1, __ATOMIC_RELAXED);
  /* A session that could not be opened is to be destroyed all the same. */
  *encoder = made;
  NVENCSTATUS failure = failure_of(made, "nvEncOpenEncodeSessionEx");
  if (failure != NV_ENC_SUCCESS) return failure;
  if (strcmp(state, "busy") == 0) return NV_ENC_ERR_OUT_OF_MEMORY;
  made->is_usable = true;
  newest_session = made;
  return NV_ENC_SUCCESS;
}

static NVENCSTATUS destroy_session(void *encoder) {
  session *session = enter("nvEncDestroyEncoder", encoder, ANY_SESSION);
  DEMAND(session->inputs == 0 && session->outputs == 0, "nvEncDestroyEncoder: %d input and %d bitstream buffers left",
         session->inputs, session->outputs);
  DEMAND(session->resources == 0 && session->mappings == 0,
         "nvEncDestroyEncoder: %d resources are registered, %d mapped", session->resources, session->mappings);
  DEMAND(!session->is_initialized || session->is_flushed || session->is_lost, "nvEncDestroyEncoder: before the flush");
  NVENCSTATUS failure = failure_of(session, "nvEncDestroyEncoder");
  h264_stream_close(session->stream);
  session->handle.is_alive = false;
  __atomic_sub_fetch(&session->context->sessions, 1, __ATOMIC_RELAXED);
  return leave(session, failure);
}

static NVENCSTATUS count_codecs(void *encoder, uint32_t *count) {
  ENTER("nvEncGetEncodeGUIDCount", OPENED);
  *count = 2;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS list_codecs(void *encoder, GUID *guids, uint32_t guids_max, uint32_t *count) {
  ENTER("nvEncGetEncodeGUIDs", OPENED);
  DEMAND(guids_max == 2, "%s: room for %u, not for what nvEncGetEncodeGUIDCount says", call, guids_max);
  guids[0] = NV_ENC_CODEC_HEVC_GUID;
  guids[1] = NV_ENC_CODEC_H264_GUID;
  *count = 2;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS count_formats(void *encoder, GUID codec, uint32_t *count) {
  ENTER("nvEncGetInputFormatCount", OPENED);
  DEMAND(guid_equals(&codec, &NV_ENC_CODEC_H264_GUID), "%s: not of H.264", call);
  *count = 3;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS list_formats(void *encoder, GUID codec, NV_ENC_BUFFER_FORMAT *formats, uint32_t formats_max,
                                uint32_t *count) {
  ENTER("nvEncGetInputFormats", OPENED);
  DEMAND(guid_equals(&codec, &NV_ENC_CODEC_H264_GUID), "%s: not of H.264", call);
  DEMAND(formats_max == 3, "%s: room for %u, not for what nvEncGetInputFormatCount says", call, formats_max);
  formats[0] = NV_ENC_BUFFER_FORMAT_NV12;
  formats[1] = NV_ENC_BUFFER_FORMAT_YV12;
  formats[2] = NV_ENC_BUFFER_FORMAT_IYUV;
  *count = 3;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS get_ability(void *encoder, GUID codec, NV_ENC_CAPS_PARAM *param, int *value) {
  ENTER("nvEncGetEncodeCaps", OPENED);
  DEMAND(guid_equals(&codec, &NV_ENC_CODEC_H264_GUID), "%s: not of H.264", call);
  check_caps(param);
  switch (param->capsToQuery) {
    case NV_ENC_CAPS_WIDTH_MIN: *value = 33; break; /* those of a Pascal GPU */
    case NV_ENC_CAPS_HEIGHT_MIN: *value = 17; break;
    case NV_ENC_CAPS_WIDTH_MAX:
    case NV_ENC_CAPS_HEIGHT_MAX: *value = 4096; break;
    default: VIOLATION("%s: the double does not know ability %d", call, (int)param->capsToQuery);
  }
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS get_preset(void *encoder, GUID codec, GUID preset, NV_ENC_TUNING_INFO tuning,
                              NV_ENC_PRESET_CONFIG *out) {
  static const GUID *const presets[] = {&NV_ENC_PRESET_P1_GUID, &NV_ENC_PRESET_P2_GUID, &NV_ENC_PRESET_P3_GUID,
                                        &NV_ENC_PRESET_P4_GUID, &NV_ENC_PRESET_P5_GUID, &NV_ENC_PRESET_P6_GUID,
                                        &NV_ENC_PRESET_P7_GUID};
  ENTER("nvEncGetEncodePresetConfigEx", OPENED);
  DEMAND(guid_equals(&codec, &NV_ENC_CODEC_H264_GUID), "%s: not of H.264", call);
  DEMAND(tuning > NV_ENC_TUNING_INFO_UNDEFINED && tuning < NV_ENC_TUNING_INFO_COUNT, "%s: tuning %d", call, tuning);
  check_preset(out);
  for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
    if (guid_equals(&preset, presets[i])) session->preset_fetched = true;
  }
  DEMAND(session->preset_fetched, "%s: an unknown preset", call);
  session->preset = preset;
  session->tuning = tuning;
  /* A preset of a driver that wants the worst: what a client does not set would hold pictures back. */
  NV_ENC_CONFIG *config = &out->presetCfg;
  config->profileGUID = NV_ENC_CODEC_PROFILE_AUTOSELECT_GUID;
  config->gopLength = 250;
  config->frameIntervalP = 3;
  config->frameFieldMode = NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME;
  config->rcParams.version = NV_ENC_RC_PARAMS_VER;
  config->rcParams.rateControlMode = NV_ENC_PARAMS_RC_VBR;
  config->rcParams.averageBitRate = 5000000;
  config->rcParams.enableLookahead = 1;
  config->rcParams.lookaheadDepth = 8;
  config->rcParams.lowDelayKeyFrameScale = 1;
  NV_ENC_CONFIG_H264 *h264 = &config->encodeCodecConfig.h264Config;
  h264->idrPeriod = 250;
  h264->outputAUD = 1;
  h264->outputPictureTimingSEI = 1;
  h264->chromaFormatIDC = 1;
  return leave(session, NV_ENC_SUCCESS);
}

static void keep_params(session *session, const NV_ENC_INITIALIZE_PARAMS *params) {
  session->params = *params;
  session->config = *params->encodeConfig;
  session->params.encodeConfig = NULL;
}

static NVENCSTATUS initialize(void *encoder, NV_ENC_INITIALIZE_PARAMS *params) {
  ENTER("nvEncInitializeEncoder", OPENED);
  DEMAND(!session->is_initialized, "%s: a second time", call);
  check_initialize(call, session, params);
  if (params->encodeWidth < 33 || params->encodeHeight < 17 || params->encodeWidth > 4096 ||
      params->encodeHeight > 4096) {
    return leave(session, NV_ENC_ERR_INVALID_PARAM);
  }
  keep_params(session, params);
  session->stream = h264_stream_open(params, &session->config);
  session->is_initialized = true;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS reconfigure(void *encoder, NV_ENC_RECONFIGURE_PARAMS *params) {
  ENTER("nvEncReconfigureEncoder", INITIALIZED);
  check_reconfigure(session, params);
  keep_params(session, &params->reInitEncodeParams);
  h264_stream_set_rates(session->stream, &session->params, &session->config);
  return leave(session, NV_ENC_SUCCESS);
}

static const char *last_error(void *encoder) {
  const session *session = find_handle("nvEncGetLastErrorString", HANDLE_SESSION, NULL, encoder);
  return session->last_error;
}

void list_session_calls(NV_ENCODE_API_FUNCTION_LIST *list) {
  list->nvEncOpenEncodeSessionEx = open_session;
  list->nvEncDestroyEncoder = destroy_session;
  list->nvEncGetEncodeGUIDCount = count_codecs;
  list->nvEncGetEncodeGUIDs = list_codecs;
  list->nvEncGetInputFormatCount = count_formats;
  list->nvEncGetInputFormats = list_formats;
  list->nvEncGetEncodeCaps = get_ability;
  list->nvEncGetEncodePresetConfigEx = get_preset;
  list->nvEncInitializeEncoder = initialize;
  list->nvEncReconfigureEncoder = reconfigure;
  list->nvEncGetLastErrorString = last_error;
}
