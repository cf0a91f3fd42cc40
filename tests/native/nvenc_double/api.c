/* libnvidia-encode.so.1: what it exports, and what holds for every call. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internals.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static handle *handles;

/* ---- Handles ------------------------------------------------------------------------------------ */

void *new_handle(handle_kind kind, size_t bytes, session *owner) {
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

void *find_handle(const char *call, handle_kind kind, const session *owner, const void *given) {
  static const char *const names[] = {"session", "input buffer", "bitstream buffer", "registered resource",
                                      "mapped resource"};
  pthread_mutex_lock(&mutex);
  handle *found = handles;
  while (found != NULL && found != given) found = found->next;
  pthread_mutex_unlock(&mutex);
  if (found == NULL || found->kind != kind) VIOLATION("%s: %p is no %s", call, given, names[kind]);
  if (!found->is_alive) VIOLATION("%s: the %s is destroyed already", call, names[kind]);
  if (owner != NULL && found->owner != owner) VIOLATION("%s: the %s is another session's", call, names[kind]);
  return found;
}

bool is_handle(handle_kind kind, const void *given) {
  pthread_mutex_lock(&mutex);
  handle *found = handles;
  while (found != NULL && found != given) found = found->next;
  pthread_mutex_unlock(&mutex);
  return found != NULL && found->kind == kind;
}

/* ---- Each call ------------------------------------------------------------------------------------ */

session *enter(const char *call, void *encoder, demand demand) {
  session *session = find_handle(call, HANDLE_SESSION, NULL, encoder);
  if (nvenc_double_current() != session->context) VIOLATION("%s: the session's context is not current", call);
  if (demand != ANY_SESSION && !session->is_usable) VIOLATION("%s: the session could not be opened", call);
  if (demand == INITIALIZED && !session->is_initialized) VIOLATION("%s: before nvEncInitializeEncoder", call);
  if (__atomic_add_fetch(&session->calls_inside, 1, __ATOMIC_ACQ_REL) != 1) {
    VIOLATION("%s: another thread is inside the same session", call);
  }
  return session;
}

NVENCSTATUS leave(session *session, NVENCSTATUS status) {
  session->last_error = status == NV_ENC_SUCCESS ? "" : "as the double was told";
  __atomic_sub_fetch(&session->calls_inside, 1, __ATOMIC_ACQ_REL);
  return status;
}

NVENCSTATUS failure_of(session *session, const char *call) {
  int failure = nvenc_double_failure(call);
  if (failure == NV_ENC_ERR_DEVICE_NOT_EXIST) session->is_lost = true;
  if (failure != NV_ENC_SUCCESS) session->has_failed = true;
  return session->is_lost ? NV_ENC_ERR_DEVICE_NOT_EXIST : (NVENCSTATUS)failure;
}

/* ---- What is exported -------------------------------------------------------------------------------- */

#define EXPORTED __attribute__((visibility("default")))

EXPORTED nvenc_double_get_counts_fn nvenc_double_get_counts;
EXPORTED nvenc_double_get_params_fn nvenc_double_get_params;

void nvenc_double_get_counts(nvenc_double_counts *counts) {
  *counts = (nvenc_double_counts){0};
  nvenc_double_count_contexts(&counts->contexts, &counts->pushed);
  nvenc_double_count_objects(&counts->objects, &counts->mapped);
  pthread_mutex_lock(&mutex);
  for (const handle *at = handles; at != NULL; at = at->next) {
    if (!at->is_alive) continue;
    if (at->kind == HANDLE_MAPPING) {
      counts->mapped++;
    } else if (at->kind != HANDLE_SESSION) {
      counts->buffers++;
    } else {
      counts->sessions++;
      counts->locks += ((const session *)at)->locks;
    }
  }
  pthread_mutex_unlock(&mutex);
}

void nvenc_double_get_params(NV_ENC_INITIALIZE_PARAMS *params, NV_ENC_CONFIG *config) {
  *params = newest_session->params;
  *config = newest_session->config;
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
  list_session_calls(list);
  list_buffer_calls(list);
  list_resource_calls(list);
  list_picture_calls(list);
  return NV_ENC_SUCCESS;
}
