/* libnvidia-encode.so.1: order of the calls and life of what they make. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internals.h"

#define PITCH_ALIGNMENT 256
#define GUARD_BYTES 4096
#define GUARD 0xA5
/* "At least 4 more than the number of B frames", for input and output buffers each. */
#define BUFFERS_MIN 4

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static handle *handles;
static session *newest;

/* ---- Handles ------------------------------------------------------------------------------------ */

static void *new_handle(handle_kind kind, size_t bytes, session *owner) {
  handle *made = calloc(1, bytes);
  if (made == NULL) abort();
  made->kind = kind;
  made->is_alive = true;
  made->owner = owner;
  pthread_mutex_lock(&mutex);
  made->next = handles;
  handles = made;
  pthread_mutex_unlock(&mutex);
  return made;
}

static void *find_handle(const char *call, handle_kind kind, const session *owner, const void *given) {
  static const char *const names[] = {"session", "input buffer", "bitstream buffer"};
  pthread_mutex_lock(&mutex);
  handle *found = handles;
  while (found != NULL && found != given) found = found->next;
  pthread_mutex_unlock(&mutex);
  if (found == NULL || found->kind != kind) VIOLATION("%s: %p is no %s", call, given, names[kind]);
  if (!found->is_alive) VIOLATION("%s: the %s is destroyed already", call, names[kind]);
  if (owner != NULL && found->owner != owner) VIOLATION("%s: the %s is another session's", call, names[kind]);
  return found;
}

/* ---- Each call ------------------------------------------------------------------------------------ */

typedef enum demand { ANY_SESSION, OPENED, INITIALIZED } demand;

/* What holds for every call: a session that lives, its context current, one thread at a time. */
static session *enter(const char *call, void *encoder, demand demand) {
  session *session = find_handle(call, HANDLE_SESSION, NULL, encoder);
  if (nvenc_double_current() != session->context) VIOLATION("%s: the session's context is not current", call);
  if (demand != ANY_SESSION && !session->is_usable) VIOLATION("%s: the session could not be opened", call);
  if (demand == INITIALIZED && !session->is_initialized) VIOLATION("%s: before nvEncInitializeEncoder", call);
  if (__atomic_add_fetch(&session->calls_inside, 1, __ATOMIC_ACQ_REL) != 1) {
    VIOLATION("%s: another thread is inside the same session", call);
  }
  return session;
}

static NVENCSTATUS leave(session *session, NVENCSTATUS status) {
  session->last_error = status == NV_ENC_SUCCESS ? "" : "as the double was told";
  __atomic_sub_fetch(&session->calls_inside, 1, __ATOMIC_ACQ_REL);
  return status;
}

/* How the machine is today. */
static NVENCSTATUS failure_of(session *session, const char *call) {
  int failure = nvenc_double_failure(call);
  if (failure == NV_ENC_ERR_DEVICE_NOT_EXIST) session->is_lost = true;
  return session->is_lost ? NV_ENC_ERR_DEVICE_NOT_EXIST : (NVENCSTATUS)failure;
}

#define ENTER(name, demand)                        \
  const char *call = name;                         \
  session *session = enter(call, encoder, demand); \
  NVENCSTATUS failure = failure_of(session, call); \
  if (failure != NV_ENC_SUCCESS) return leave(session, failure)
#define DEMAND(condition, ...) \
  if (!(condition)) VIOLATION(__VA_ARGS__)

/* ---- Sessions and what they can do ----------------------------------------------------------------- */

static NVENCSTATUS open_session(NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *params, void **encoder) {
  char name[64], state[16];
  check_open(params);
  CUcontext context = params->device;
  DEMAND(context != NULL && nvenc_double_current() == context, "nvEncOpenEncodeSessionEx: its context is not current");
  nvenc_double_gpu(context->device, name, state);
  *encoder = NULL;
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
  newest = made;
  return NV_ENC_SUCCESS;
}

static NVENCSTATUS destroy_session(void *encoder) {
  session *session = enter("nvEncDestroyEncoder", encoder, ANY_SESSION);
  DEMAND(session->inputs == 0 && session->outputs == 0, "nvEncDestroyEncoder: %d input and %d bitstream buffers left",
         session->inputs, session->outputs);
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

/* ---- Buffers ---------------------------------------------------------------------------------------- */

/* Beyond the picture's columns in each row, and behind the last row. */
static void visit_guards(const char *call, const input_buffer *input, bool fill) {
  uint8_t *row = input->bytes;
  uint32_t rows = input->height * 2; /* those of both chroma planes are half as long */
  for (uint32_t i = 0; i < rows; i++) {
    bool is_luma = i < input->height;
    uint32_t width = is_luma ? input->width : input->width / 2, pitch = is_luma ? input->pitch : input->pitch / 2;
    if (fill) memset(row + width, GUARD, pitch - width);
    for (uint32_t column = width; column < pitch; column++) {
      DEMAND(row[column] == GUARD, "%s: row %u was written beyond the picture's %u columns", call, i, width);
    }
    row += pitch;
  }
  if (fill) memset(row, GUARD, GUARD_BYTES);
  for (int i = 0; i < GUARD_BYTES; i++) DEMAND(row[i] == GUARD, "%s: written %d bytes behind the buffer", call, i + 1);
}

static NVENCSTATUS create_input(void *encoder, NV_ENC_CREATE_INPUT_BUFFER *params) {
  ENTER("nvEncCreateInputBuffer", INITIALIZED);
  check_create_input(params);
  DEMAND(params->bufferFmt == NV_ENC_BUFFER_FORMAT_IYUV, "%s: the double takes IYUV only", call);
  DEMAND(params->width == session->params.encodeWidth && params->height == session->params.encodeHeight,
         "%s: not of the pictures' size", call);
  input_buffer *made = new_handle(HANDLE_INPUT, sizeof *made, session);
  made->width = params->width;
  made->height = params->height;
  made->pitch = (params->width / PITCH_ALIGNMENT + 1) * PITCH_ALIGNMENT; /* never the width itself */
  made->bytes = malloc((size_t)made->pitch * made->height / 2 * 3 + GUARD_BYTES);
  if (made->bytes == NULL) abort();
  visit_guards(call, made, true);
  session->inputs++;
  params->inputBuffer = made;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS destroy_input(void *encoder, NV_ENC_INPUT_PTR buffer) {
  session *session = enter("nvEncDestroyInputBuffer", encoder, INITIALIZED);
  input_buffer *input = find_handle("nvEncDestroyInputBuffer", HANDLE_INPUT, session, buffer);
  DEMAND(!input->is_locked || session->is_lost, "nvEncDestroyInputBuffer: it is locked");
  session->locks -= input->is_locked;
  input->handle.is_alive = false;
  free(input->bytes);
  input->bytes = NULL;
  session->inputs--;
  return leave(session, failure_of(session, "nvEncDestroyInputBuffer"));
}

static NVENCSTATUS lock_input(void *encoder, NV_ENC_LOCK_INPUT_BUFFER *lock) {
  ENTER("nvEncLockInputBuffer", INITIALIZED);
  check_lock_input(lock);
  input_buffer *input = find_handle(call, HANDLE_INPUT, session, lock->inputBuffer);
  DEMAND(!input->is_locked, "%s: it is locked already", call);
  input->is_locked = true;
  session->locks++;
  lock->bufferDataPtr = input->bytes;
  lock->pitch = input->pitch;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS unlock_input(void *encoder, NV_ENC_INPUT_PTR buffer) {
  ENTER("nvEncUnlockInputBuffer", INITIALIZED);
  input_buffer *input = find_handle(call, HANDLE_INPUT, session, buffer);
  DEMAND(input->is_locked, "%s: it is not locked", call);
  visit_guards(call, input, false);
  input->is_locked = false;
  input->is_filled = true;
  session->locks--;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS create_output(void *encoder, NV_ENC_CREATE_BITSTREAM_BUFFER *params) {
  ENTER("nvEncCreateBitstreamBuffer", INITIALIZED);
  check_create_output(params);
  output_buffer *made = new_handle(HANDLE_OUTPUT, sizeof *made, session);
  session->outputs++;
  params->bitstreamBuffer = made;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS destroy_output(void *encoder, NV_ENC_OUTPUT_PTR buffer) {
  session *session = enter("nvEncDestroyBitstreamBuffer", encoder, INITIALIZED);
  output_buffer *output = find_handle("nvEncDestroyBitstreamBuffer", HANDLE_OUTPUT, session, buffer);
  DEMAND(!output->is_locked || session->is_lost, "nvEncDestroyBitstreamBuffer: it is locked");
  session->locks -= output->is_locked;
  output->handle.is_alive = false;
  free(output->bytes);
  output->bytes = NULL;
  session->outputs--;
  return leave(session, failure_of(session, "nvEncDestroyBitstreamBuffer"));
}

/* In the order in which they were submitted. */
static NVENCSTATUS lock_output(void *encoder, NV_ENC_LOCK_BITSTREAM *lock) {
  ENTER("nvEncLockBitstream", INITIALIZED);
  check_lock_output(lock);
  output_buffer *output = find_handle(call, HANDLE_OUTPUT, session, lock->outputBitstream);
  DEMAND(!output->is_locked, "%s: it is locked already", call);
  DEMAND(output->ticket == session->fetched + 1, "%s: it is not the oldest that was submitted", call);
  session->fetched++;
  output->is_locked = true;
  session->locks++;
  lock->bitstreamBufferPtr = output->bytes;
  lock->bitstreamSizeInBytes = (uint32_t)output->bytes_count;
  lock->pictureType = output->type;
  lock->pictureStruct = NV_ENC_PIC_STRUCT_FRAME;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS unlock_output(void *encoder, NV_ENC_OUTPUT_PTR buffer) {
  ENTER("nvEncUnlockBitstream", INITIALIZED);
  output_buffer *output = find_handle(call, HANDLE_OUTPUT, session, buffer);
  DEMAND(output->is_locked, "%s: it is not locked", call);
  /* Whoever still reads there reads nonsense. */
  memset(output->bytes, GUARD, output->bytes_count);
  output->is_locked = false;
  output->ticket = 0;
  session->locks--;
  return leave(session, NV_ENC_SUCCESS);
}

/* ---- Pictures ---------------------------------------------------------------------------------------- */

static input_buffer *check_input(const char *call, session *session, const NV_ENC_PIC_PARAMS *picture) {
  input_buffer *input = find_handle(call, HANDLE_INPUT, session, picture->inputBuffer);
  DEMAND(!input->is_locked, "%s: the input buffer is locked", call);
  DEMAND(input->is_filled, "%s: nothing new is in the input buffer", call);
  DEMAND(picture->bufferFmt == NV_ENC_BUFFER_FORMAT_IYUV, "%s: the input buffer is IYUV", call);
  DEMAND(picture->inputWidth == input->width && picture->inputHeight == input->height, "%s: another size", call);
  DEMAND(picture->inputPitch == input->pitch, "%s: the pitch is %u, not %u", call, input->pitch, picture->inputPitch);
  DEMAND(picture->pictureStruct == NV_ENC_PIC_STRUCT_FRAME, "%s: not a frame", call);
  input->is_filled = false;
  return input;
}

static NVENCSTATUS encode_picture(void *encoder, NV_ENC_PIC_PARAMS *picture) {
  ENTER("nvEncEncodePicture", INITIALIZED);
  check_picture(picture);
  DEMAND(!session->is_flushed, "%s: after the end of the stream", call);
  if (picture->encodePicFlags & NV_ENC_PIC_FLAG_EOS) {
    DEMAND(picture->inputBuffer == NULL, "%s: the end of the stream has no picture", call);
    DEMAND(session->fetched == session->submitted, "%s: access units were not fetched", call);
    session->is_flushed = true;
    return leave(session, NV_ENC_SUCCESS);
  }
  DEMAND(session->inputs >= BUFFERS_MIN && session->outputs >= BUFFERS_MIN, "%s: %d input and %d bitstream buffers",
         call, session->inputs, session->outputs);
  input_buffer *input = check_input(call, session, picture);
  output_buffer *output = find_handle(call, HANDLE_OUTPUT, session, picture->outputBitstream);
  DEMAND(!output->is_locked && output->ticket == 0, "%s: the bitstream buffer is in use", call);
  /* Settings that hold pictures back do so. */
  const NV_ENC_CONFIG *config = &session->config;
  if (config->frameIntervalP != 1 || config->rcParams.enableLookahead)
    return leave(session, NV_ENC_ERR_NEED_MORE_INPUT);
  bool idr = (picture->encodePicFlags & NV_ENC_PIC_FLAG_FORCEIDR) != 0 || session->since_keyframe >= config->gopLength;
  h264_stream_encode(session->stream, input, idr, output);
  session->since_keyframe = output->type == NV_ENC_PIC_TYPE_IDR ? 1 : session->since_keyframe + 1;
  output->ticket = ++session->submitted;
  return leave(session, NV_ENC_SUCCESS);
}

static const char *last_error(void *encoder) {
  const session *session = find_handle("nvEncGetLastErrorString", HANDLE_SESSION, NULL, encoder);
  return session->last_error;
}

/* ---- What is exported -------------------------------------------------------------------------------- */

#define EXPORTED __attribute__((visibility("default")))

EXPORTED nvenc_double_get_counts_fn nvenc_double_get_counts;
EXPORTED nvenc_double_get_params_fn nvenc_double_get_params;

void nvenc_double_get_counts(nvenc_double_counts *counts) {
  *counts = (nvenc_double_counts){0};
  nvenc_double_count_contexts(&counts->contexts, &counts->pushed);
  pthread_mutex_lock(&mutex);
  for (const handle *at = handles; at != NULL; at = at->next) {
    if (!at->is_alive) continue;
    if (at->kind != HANDLE_SESSION) {
      counts->buffers++;
    } else {
      counts->sessions++;
      counts->locks += ((const session *)at)->locks;
    }
  }
  pthread_mutex_unlock(&mutex);
}

void nvenc_double_get_params(NV_ENC_INITIALIZE_PARAMS *params, NV_ENC_CONFIG *config) {
  *params = newest->params;
  *config = newest->config;
}

__attribute__((destructor)) static void check_exit(void) {
  nvenc_double_counts counts;
  nvenc_double_get_counts(&counts);
  if (counts.sessions != 0) VIOLATION("at exit %d sessions are not destroyed", counts.sessions);
}

EXPORTED NVENCSTATUS NvEncodeAPIGetMaxSupportedVersion(uint32_t *version) {
  unsigned major = NVENCAPI_MAJOR_VERSION, minor = NVENCAPI_MINOR_VERSION;
  const char *told = getenv("NVENC_DOUBLE_API");
  if (told != NULL && sscanf(told, "%u.%u", &major, &minor) != 2) VIOLATION("NVENC_DOUBLE_API is \"%s\"", told);
  *version = major << 4 | minor;
  return NV_ENC_SUCCESS;
}

EXPORTED NVENCSTATUS NvEncodeAPICreateInstance(NV_ENCODE_API_FUNCTION_LIST *list) {
  static const NV_ENCODE_API_FUNCTION_LIST untouched = {.version = NV_ENCODE_API_FUNCTION_LIST_VER};
  uint32_t version;
  NvEncodeAPIGetMaxSupportedVersion(&version);
  if (version < (NVENCAPI_MAJOR_VERSION << 4 | NVENCAPI_MINOR_VERSION)) return NV_ENC_ERR_INVALID_VERSION;
  DEMAND(memcmp(list, &untouched, sizeof untouched) == 0, "NvEncodeAPICreateInstance: a list that is not empty");
  int failure = nvenc_double_failure("NvEncodeAPICreateInstance");
  if (failure != 0) return (NVENCSTATUS)failure;
  *list = (NV_ENCODE_API_FUNCTION_LIST){.version = NV_ENCODE_API_FUNCTION_LIST_VER,
                                        .nvEncOpenEncodeSessionEx = open_session,
                                        .nvEncDestroyEncoder = destroy_session,
                                        .nvEncGetEncodeGUIDCount = count_codecs,
                                        .nvEncGetEncodeGUIDs = list_codecs,
                                        .nvEncGetInputFormatCount = count_formats,
                                        .nvEncGetInputFormats = list_formats,
                                        .nvEncGetEncodeCaps = get_ability,
                                        .nvEncGetEncodePresetConfigEx = get_preset,
                                        .nvEncInitializeEncoder = initialize,
                                        .nvEncReconfigureEncoder = reconfigure,
                                        .nvEncCreateInputBuffer = create_input,
                                        .nvEncDestroyInputBuffer = destroy_input,
                                        .nvEncLockInputBuffer = lock_input,
                                        .nvEncUnlockInputBuffer = unlock_input,
                                        .nvEncCreateBitstreamBuffer = create_output,
                                        .nvEncDestroyBitstreamBuffer = destroy_output,
                                        .nvEncLockBitstream = lock_output,
                                        .nvEncUnlockBitstream = unlock_output,
                                        .nvEncEncodePicture = encode_picture,
                                        .nvEncGetLastErrorString = last_error};
  return NV_ENC_SUCCESS;
}
