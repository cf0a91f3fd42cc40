/* libcuda.so.1: streams, events, modules and launches. */
#include <stdlib.h>
#include <string.h>

#include "cuda_internals.h"

#define BLOCK_THREADS_MAX 1024

typedef struct event {
  object object;
  stream *stream; /* NULL: not recorded yet */
  uint64_t position;
} event;

typedef struct module {
  object object;
  const char *image;
} module;

tcuStreamCreate cuStreamCreate;
tcuStreamDestroy_v2 cuStreamDestroy_v2;
tcuStreamSynchronize cuStreamSynchronize;
CUresult cuStreamWaitEvent(CUstream handle, CUevent awaited, unsigned flags);
tcuEventCreate cuEventCreate;
tcuEventDestroy_v2 cuEventDestroy_v2;
tcuEventRecord cuEventRecord;
tcuEventSynchronize cuEventSynchronize;
CUresult cuModuleLoadDataEx(CUmodule *made, const void *image, unsigned options, CUjit_option *names, void **values);
tcuModuleUnload cuModuleUnload;
tcuModuleGetFunction cuModuleGetFunction;
tcuLaunchKernel cuLaunchKernel;
tcuTexObjectCreate cuTexObjectCreate;
tcuTexObjectDestroy cuTexObjectDestroy;

static stream default_stream = {.object = {.kind = OBJECT_STREAM, .is_alive = true}};

/* ---- Streams and events -------------------------------------------------------------------------- */

stream *find_stream(const char *call, CUstream handle) {
  demand_context(call);
  return handle == NULL ? &default_stream : find_object(call, OBJECT_STREAM, handle);
}

void put_work(stream *stream, const operation *given) {
  operation *made = malloc(sizeof *made);
  if (made == NULL) abort();
  *made = *given;
  made->next = NULL;
  cuda_lock();
  if (stream->last != NULL) stream->last->next = made;
  if (stream->first == NULL) stream->first = made;
  stream->last = made;
  stream->queued++;
  cuda_unlock();
}

void run_stream(stream *stream, uint64_t position) {
  cuda_lock();
  while (stream->done < position) {
    operation *first = stream->first;
    stream->first = first->next;
    if (stream->first == NULL) stream->last = NULL;
    stream->done++;
    first->run(first);
    free(first);
  }
  cuda_unlock();
}

void run_all(void) {
  run_stream(&default_stream, default_stream.queued);
  for (object *at = next_object(OBJECT_STREAM, NULL); at != NULL; at = next_object(OBJECT_STREAM, at)) {
    run_stream((stream *)at, ((stream *)at)->queued);
  }
}

CUresult cuStreamCreate(CUstream *made, unsigned flags) {
  demand_context("cuStreamCreate");
  if (flags > CU_STREAM_NON_BLOCKING) VIOLATION("cuStreamCreate: flags are %u", flags);
  FAIL_AS_TOLD("cuStreamCreate");
  *made = new_object("cuStreamCreate", OBJECT_STREAM, sizeof(stream));
  return CUDA_SUCCESS;
}

CUresult cuStreamDestroy_v2(CUstream handle) {
  stream *found = find_object("cuStreamDestroy", OBJECT_STREAM, handle);
  run_stream(found, found->queued);
  end_object(&found->object);
  return CUDA_SUCCESS;
}

CUresult cuStreamSynchronize(CUstream handle) {
  stream *found = find_stream("cuStreamSynchronize", handle);
  FAIL_AS_TOLD("cuStreamSynchronize");
  run_stream(found, found->queued);
  return CUDA_SUCCESS;
}

static void run_wait(const operation *operation) { run_stream(operation->of.wait.stream, operation->of.wait.position); }

CUresult cuStreamWaitEvent(CUstream handle, CUevent awaited, unsigned flags) {
  stream *found = find_stream("cuStreamWaitEvent", handle);
  const event *event = find_object("cuStreamWaitEvent", OBJECT_EVENT, awaited);
  if (flags != 0) VIOLATION("cuStreamWaitEvent: flags are %u", flags);
  FAIL_AS_TOLD("cuStreamWaitEvent");
  if (event->stream == NULL) return CUDA_SUCCESS;
  operation waiting = {.run = run_wait, .of.wait = {.stream = event->stream, .position = event->position}};
  put_work(found, &waiting);
  return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *made, unsigned flags) {
  demand_context("cuEventCreate");
  if (flags > (CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING)) VIOLATION("cuEventCreate: flags are %u", flags);
  FAIL_AS_TOLD("cuEventCreate");
  *made = new_object("cuEventCreate", OBJECT_EVENT, sizeof(event));
  return CUDA_SUCCESS;
}

CUresult cuEventDestroy_v2(CUevent handle) {
  end_object(find_object("cuEventDestroy", OBJECT_EVENT, handle));
  return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent handle, CUstream recorded) {
  event *event = find_object("cuEventRecord", OBJECT_EVENT, handle);
  stream *stream = find_stream("cuEventRecord", recorded);
  FAIL_AS_TOLD("cuEventRecord");
  cuda_lock();
  event->stream = stream;
  event->position = stream->queued;
  cuda_unlock();
  return CUDA_SUCCESS;
}

CUresult cuEventSynchronize(CUevent handle) {
  const event *event = find_object("cuEventSynchronize", OBJECT_EVENT, handle);
  FAIL_AS_TOLD("cuEventSynchronize");
  if (event->stream != NULL) run_stream(event->stream, event->position);
  return CUDA_SUCCESS;
}

/* ---- Modules -------------------------------------------------------------------------------------- */

CUresult cuModuleLoadDataEx(CUmodule *made, const void *image, unsigned options, CUjit_option *names, void **values) {
  demand_context("cuModuleLoadDataEx");
  if (strncmp(image, ".version ", 9) != 0) VIOLATION("cuModuleLoadDataEx: the image is no PTX");
  if (options != 0 || names != NULL || values != NULL) VIOLATION("cuModuleLoadDataEx: the double knows no options");
  FAIL_AS_TOLD("cuModuleLoadDataEx");
  module *module = new_object("cuModuleLoadDataEx", OBJECT_MODULE, sizeof *module);
  module->image = image;
  *made = (CUmodule)module;
  return CUDA_SUCCESS;
}

CUresult cuModuleUnload(CUmodule handle) {
  run_all();
  end_object(find_object("cuModuleUnload", OBJECT_MODULE, handle));
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule handle, const char *name) {
  const module *module = find_object("cuModuleGetFunction", OBJECT_MODULE, handle);
  char entry[128];
  FAIL_AS_TOLD("cuModuleGetFunction");
  snprintf(entry, sizeof entry, ".visible .entry %s(", name);
  const kernel *found = find_kernel(name);
  if (found == NULL || strstr(module->image, entry) == NULL) return (CUresult)NOT_FOUND;
  *function = (CUfunction)(uintptr_t)found;
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                        unsigned block_y, unsigned block_z, unsigned shared_bytes, CUstream handle, void **parameters,
                        void **extra) {
  stream *stream = find_stream("cuLaunchKernel", handle);
  if (grid_x == 0 || grid_y == 0 || grid_z != 1 || block_z != 1 || shared_bytes != 0 || extra != NULL ||
      block_x * block_y == 0 || block_x * block_y > BLOCK_THREADS_MAX) {
    VIOLATION("cuLaunchKernel: %u x %u blocks of %u x %u threads", grid_x, grid_y, block_x, block_y);
  }
  FAIL_AS_TOLD("cuLaunchKernel");
  operation launch = {.run = run_kernel,
                      .of.launch = {.kernel = (const kernel *)(uintptr_t)function,
                                    .job = *(const cuda_conversion *)parameters[0],
                                    .grid = {grid_x, grid_y},
                                    .block = {block_x, block_y}}};
  put_work(stream, &launch);
  return CUDA_SUCCESS;
}

CUresult cuTexObjectCreate(CUtexObject *made, const CUDA_RESOURCE_DESC *resource, const CUDA_TEXTURE_DESC *how,
                           const CUDA_RESOURCE_VIEW_DESC *view) {
  if (resource->resType != CU_RESOURCE_TYPE_ARRAY || view != NULL) VIOLATION("cuTexObjectCreate: not of an array");
  if (how->flags != CU_TRSF_READ_AS_INTEGER || how->filterMode != CU_TR_FILTER_MODE_POINT) {
    VIOLATION("cuTexObjectCreate: the kernels read bytes, and at whole pixels");
  }
  array *array = find_object("cuTexObjectCreate", OBJECT_ARRAY, resource->res.array.hArray);
  FAIL_AS_TOLD("cuTexObjectCreate");
  texture *texture = new_object("cuTexObjectCreate", OBJECT_TEXTURE, sizeof *texture);
  texture->array = array;
  *made = (CUtexObject)(uintptr_t)texture;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectDestroy(CUtexObject handle) {
  end_object(find_object("cuTexObjectDestroy", OBJECT_TEXTURE, (void *)(uintptr_t)handle));
  return CUDA_SUCCESS;
}
