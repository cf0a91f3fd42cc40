/* Of libnvidia-encode.so.1: what its files share. */
#ifndef NVENC_DOUBLE_INTERNALS_H
#define NVENC_DOUBLE_INTERNALS_H

#include "nvenc_double.h"

/* Every handle ever given out stays known, so that one used after its end is recognised. */
typedef enum handle_kind { HANDLE_SESSION, HANDLE_INPUT, HANDLE_OUTPUT, HANDLE_RESOURCE, HANDLE_MAPPING } handle_kind;

typedef struct session session;

typedef struct handle {
  struct handle *next;
  handle_kind kind;
  bool is_alive;
  session *owner;
} handle;

typedef struct input_buffer {
  handle handle;
  uint8_t *bytes; /* three planes, then GUARD_BYTES that nobody may touch */
  uint32_t width, height, pitch;
  bool is_locked, is_filled;
} input_buffer;

typedef struct output_buffer {
  handle handle;
  uint8_t *bytes;
  size_t bytes_count;
  NV_ENC_PIC_TYPE type;
  uint64_t ticket; /* order of submission; 0 = nothing is in it */
  bool is_locked;
} output_buffer;

typedef struct h264_stream h264_stream;
typedef struct resource resource;

struct session {
  handle handle;
  CUcontext context;
  bool is_usable; /* false: the opening failed, and only destroying is left */
  bool is_initialized, is_flushed, is_lost;
  bool has_failed;  /* as it was told to, at least once */
  int calls_inside; /* threads in a call */
  bool preset_fetched;
  GUID preset;
  NV_ENC_TUNING_INFO tuning;
  NV_ENC_INITIALIZE_PARAMS params;
  NV_ENC_CONFIG config;
  int inputs, outputs, locks, resources, mappings;
  uint64_t submitted, fetched; /* tickets */
  uint32_t since_keyframe;
  h264_stream *stream;
  const char *last_error;
};

/* ---- api.c --------------------------------------------------------------------------------------- */

void *new_handle(handle_kind kind, size_t bytes, session *owner);

/* Aborts when it is none of this kind and owner (NULL: any), or destroyed. */
void *find_handle(const char *call, handle_kind kind, const session *owner, const void *given);

bool is_handle(handle_kind kind, const void *given);

typedef enum demand { ANY_SESSION, OPENED, INITIALIZED } demand;

/* What holds for every call: a session that lives, its context current, one thread at a time. */
session *enter(const char *call, void *encoder, demand demand);
NVENCSTATUS leave(session *session, NVENCSTATUS status);

/* How the machine is today. */
NVENCSTATUS failure_of(session *session, const char *call);

#define ENTER(name, demand)                        \
  const char *const call = name;                   \
  session *session = enter(call, encoder, demand); \
  NVENCSTATUS failure = failure_of(session, call); \
  if (failure != NV_ENC_SUCCESS) return leave(session, failure)
#define DEMAND(condition, ...) \
  if (!(condition)) VIOLATION(__VA_ARGS__)

/* ---- sessions.c, buffers.c, resources.c, pictures.c ----------------------------------------------- */

extern session *newest_session;

void list_session_calls(NV_ENCODE_API_FUNCTION_LIST *list);
void list_buffer_calls(NV_ENCODE_API_FUNCTION_LIST *list);
void list_resource_calls(NV_ENCODE_API_FUNCTION_LIST *list);
void list_picture_calls(NV_ENCODE_API_FUNCTION_LIST *list);

/* The picture in the mapped memory, as it is now. */
const input_buffer *read_mapping(const char *call, const session *session, const NV_ENC_PIC_PARAMS *picture);

/* ---- struct_checks.c: each aborts on what the header forbids ------------------------------------ */

bool guid_equals(const GUID *a, const GUID *b);
void check_open(const NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *params);
void check_caps(const NV_ENC_CAPS_PARAM *param);
void check_preset(const NV_ENC_PRESET_CONFIG *preset);
void check_initialize(const char *call, const session *session, const NV_ENC_INITIALIZE_PARAMS *params);
void check_reconfigure(const session *session, const NV_ENC_RECONFIGURE_PARAMS *params);
void check_create_input(const NV_ENC_CREATE_INPUT_BUFFER *params);
void check_create_output(const NV_ENC_CREATE_BITSTREAM_BUFFER *params);
void check_register(const NV_ENC_REGISTER_RESOURCE *wanted);
void check_map(const NV_ENC_MAP_INPUT_RESOURCE *wanted);
void check_lock_input(const NV_ENC_LOCK_INPUT_BUFFER *lock);
void check_lock_output(const NV_ENC_LOCK_BITSTREAM *lock);
void check_picture(const NV_ENC_PIC_PARAMS *picture);

/* ---- h264_stream.c: OpenH264 ---------------------------------------------------------------------- */

h264_stream *h264_stream_open(const NV_ENC_INITIALIZE_PARAMS *params, const NV_ENC_CONFIG *config);
void h264_stream_set_rates(h264_stream *stream, const NV_ENC_INITIALIZE_PARAMS *params, const NV_ENC_CONFIG *config);
/* Leaves the access unit in output. */
void h264_stream_encode(h264_stream *stream, const input_buffer *input, bool idr, output_buffer *output);
void h264_stream_close(h264_stream *stream);

#endif
