/* libcuda.so.1: its objects, and that each is used alive and in its own context. */
#include <pthread.h>
#include <stdlib.h>

#include "cuda_internals.h"

static const char *const names[] = {"memory", "pinned memory", "array",   "stream",
                                    "event",  "module",        "texture", "graphics resource"};

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static object *objects;

void cuda_lock(void) { pthread_mutex_lock(&mutex); }

void cuda_unlock(void) { pthread_mutex_unlock(&mutex); }

CUcontext demand_context(const char *call) {
  CUcontext context = nvenc_double_current();
  if (context == NULL) VIOLATION("%s: no context is current", call);
  return context;
}

void *new_object(const char *call, object_kind kind, size_t bytes) {
  object *made = calloc(1, bytes);
  if (made == NULL) abort();
  made->kind = kind;
  made->is_alive = true;
  made->context = demand_context(call);
  cuda_lock();
  made->next = objects;
  objects = made;
  cuda_unlock();
  return made;
}

void *find_object(const char *call, object_kind kind, const void *handle) {
  CUcontext context = demand_context(call);
  cuda_lock();
  object *found = objects;
  while (found != NULL && found != handle) found = found->next;
  cuda_unlock();
  if (found == NULL || found->kind != kind) VIOLATION("%s: %p is no %s", call, handle, names[kind]);
  if (!found->is_alive) VIOLATION("%s: the %s is destroyed already", call, names[kind]);
  if (found->context != context) VIOLATION("%s: the %s is another context's", call, names[kind]);
  return found;
}

void end_object(object *object) { object->is_alive = false; }

object *next_object(object_kind kind, object *after) {
  cuda_lock();
  object *at = after == NULL ? objects : after->next;
  while (at != NULL && (at->kind != kind || !at->is_alive)) at = at->next;
  cuda_unlock();
  return at;
}

void nvenc_double_count_objects(int *objects_out, int *mapped) {
  cuda_lock();
  *objects_out = 0;
  for (const object *at = objects; at != NULL; at = at->next) *objects_out += at->is_alive;
  *mapped = nvenc_double_count_mapped();
  cuda_unlock();
}

__attribute__((destructor)) static void check_exit(void) {
  for (const object *at = objects; at != NULL; at = at->next) {
    if (at->is_alive) VIOLATION("at exit a %s is not freed", names[at->kind]);
  }
}
