#include "cuda_pictures.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cuda_convert.h"
#include "error.h"

/* Those in flight, and the one that was taken. */
#define SLOTS (CUDA_PICTURES_IN_FLIGHT_MAX + 1)

typedef struct slot {
  CUdeviceptr memory;
  uint8_t *pinned; /* with to_memory */
  CUevent converted, done;
  CUtexObject texture; /* of the array that was read, 0 for none */
} slot;

struct cuda_pictures {
  cuda_device gpu;
  cuda_converter converter;
  cuda_layout layout;
  bool to_memory;
  CUstream copies;
  slot slots[SLOTS];
  atomic_uint begun, taken; /* ever */
};

const cuda_device *cuda_pictures_device(const cuda_pictures *pictures) { return &pictures->gpu; }

/* ---- Opening and closing ----------------------------------------------------------------------- */

static int open_slot(cuda_pictures *pictures, slot *slot) {
  const cuda_device *gpu = &pictures->gpu;
  const cuda_library *cuda = gpu->library;
  const unsigned flags = CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC;
  int result = cuda_check(gpu, "cuEventCreate", cuda->event_create(&slot->done, flags));
  if (result == 0) result = cuda_check(gpu, "cuMemAlloc", cuda->memory_alloc(&slot->memory, pictures->layout.bytes));
  if (result < 0 || !pictures->to_memory) return result;
  result = cuda_check(gpu, "cuEventCreate", cuda->event_create(&slot->converted, CU_EVENT_DISABLE_TIMING));
  if (result < 0) return result;
  return cuda_check(gpu, "cuMemHostAlloc", cuda->host_alloc((void **)&slot->pinned, pictures->layout.bytes, 0));
}

static int open_parts(cuda_pictures *pictures) {
  const cuda_device *gpu = &pictures->gpu;
  int result = cuda_converter_open(gpu, &pictures->converter);
  /* Not of those that wait for the default stream, where the caller may be at work. */
  if (result == 0 && pictures->to_memory) {
    CUresult created = gpu->library->stream_create(&pictures->copies, CU_STREAM_NON_BLOCKING);
    result = cuda_check(gpu, "cuStreamCreate", created);
  }
  for (int i = 0; result == 0 && i < SLOTS; i++) result = open_slot(pictures, &pictures->slots[i]);
  return result;
}

static void close_slot(const cuda_library *cuda, slot *slot) {
  if (slot->texture != 0) cuda->texture_destroy(slot->texture);
  if (slot->pinned != NULL) cuda->host_free(slot->pinned);
  if (slot->memory != 0) cuda->memory_free(slot->memory);
  if (slot->converted != NULL) cuda->event_destroy(slot->converted);
  if (slot->done != NULL) cuda->event_destroy(slot->done);
}

void cuda_pictures_close(cuda_pictures *pictures) {
  if (pictures == NULL) return;
  encoder_picture left;
  while (cuda_pictures_take(pictures, &left) != -ENODATA) continue;
  const cuda_library *cuda = pictures->gpu.library;
  /* On a lost GPU each of these fails, and frees its part of the driver. */
  bool entered = cuda_device_enter(&pictures->gpu) == 0;
  for (int i = 0; i < SLOTS; i++) close_slot(cuda, &pictures->slots[i]);
  if (pictures->copies != NULL) cuda->stream_destroy(pictures->copies);
  cuda_converter_close(&pictures->converter);
  if (entered) cuda_device_leave(&pictures->gpu);
  cuda_device_close(&pictures->gpu);
  free(pictures);
}

int cuda_pictures_open(int ordinal, uint32_t width, uint32_t height, bool to_memory, cuda_pictures **made) {
  *made = NULL;
  cuda_device gpu;
  int result = cuda_device_find(ordinal, &gpu);
  if (result < 0) return result;
  cuda_pictures *pictures = calloc(1, sizeof *pictures);
  if (pictures == NULL) return error_set(ENOMEM, "cannot take pictures from %s: no memory", gpu.name);
  pictures->gpu = gpu;
  pictures->to_memory = to_memory;
  pictures->layout = cuda_layout_of(width, height, to_memory);
  result = cuda_device_open(&pictures->gpu);
  if (result < 0) {
    free(pictures);
    return result;
  }
  result = cuda_device_enter(&pictures->gpu);
  if (result == 0) {
    result = open_parts(pictures);
    cuda_device_leave(&pictures->gpu);
  }
  if (result < 0) {
    const error_text failure = error_save();
    cuda_pictures_close(pictures);
    error_restore(&failure);
    return result;
  }
  *made = pictures;
  return 0;
}

/* ---- Pictures ------------------------------------------------------------------------------------ */

/* Behind the conversion on the caller's stream. */
static int begin_copy(cuda_pictures *pictures, slot *slot, CUstream stream) {
  const cuda_device *gpu = &pictures->gpu;
  const cuda_library *cuda = gpu->library;
  int result = cuda_check(gpu, "cuEventRecord", cuda->event_record(slot->converted, stream));
  if (result < 0) return result;
  result = cuda_check(gpu, "cuStreamWaitEvent", cuda->stream_wait_event(pictures->copies, slot->converted, 0));
  if (result < 0) return result;
  CUresult copied = cuda->copy_to_host(slot->pinned, slot->memory, pictures->layout.bytes, pictures->copies);
  return cuda_check(gpu, "cuMemcpyDtoHAsync", copied);
}

static int begin_slot(cuda_pictures *pictures, slot *slot, const cuda_source *source, CUstream stream) {
  const cuda_device *gpu = &pictures->gpu;
  int result = cuda_convert(&pictures->converter, source, &pictures->layout, slot->memory, stream, &slot->texture);
  if (result == 0 && pictures->to_memory) result = begin_copy(pictures, slot, stream);
  if (result == 0) {
    CUstream last = pictures->to_memory ? pictures->copies : stream;
    result = cuda_check(gpu, "cuEventRecord", gpu->library->event_record(slot->done, last));
  }
  if (result < 0) {
    /* What was begun still uses the slot, and the source. */
    gpu->library->stream_synchronize(stream);
    if (pictures->to_memory) gpu->library->stream_synchronize(pictures->copies);
  }
  return result;
}

static void forget_texture(const cuda_pictures *pictures, slot *slot) {
  if (slot->texture != 0) pictures->gpu.library->texture_destroy(slot->texture);
  slot->texture = 0;
}

int cuda_pictures_begin_entered(cuda_pictures *pictures, const cuda_source *source, CUstream stream) {
  unsigned begun = atomic_load_explicit(&pictures->begun, memory_order_relaxed);
  /* SYNC pictures.taken: pairs with cuda_pictures_take(); a slot is reused only behind its last reader. */
  unsigned taken = atomic_load_explicit(&pictures->taken, memory_order_acquire);
  if (begun - taken == CUDA_PICTURES_IN_FLIGHT_MAX) {
    return error_set(EBUSY, "cannot begin another picture: %d are not taken yet", CUDA_PICTURES_IN_FLIGHT_MAX);
  }
  slot *slot = &pictures->slots[begun % SLOTS];
  int result = begin_slot(pictures, slot, source, stream);
  if (result < 0) {
    forget_texture(pictures, slot);
    return result;
  }
  /* SYNC pictures.begun: pairs with cuda_pictures_take(). */
  atomic_store_explicit(&pictures->begun, begun + 1, memory_order_release);
  return 0;
}

int cuda_pictures_begin(cuda_pictures *pictures, const cuda_source *source, CUstream stream) {
  int result = cuda_device_enter(&pictures->gpu);
  if (result < 0) return result;
  result = cuda_pictures_begin_entered(pictures, source, stream);
  cuda_device_leave(&pictures->gpu);
  return result;
}

int cuda_pictures_take(cuda_pictures *pictures, encoder_picture *picture) {
  unsigned taken = atomic_load_explicit(&pictures->taken, memory_order_relaxed);
  /* SYNC pictures.begun: pairs with cuda_pictures_begin_entered(). */
  if (atomic_load_explicit(&pictures->begun, memory_order_acquire) == taken) {
    return error_set(ENODATA, "there is no picture to take: none was begun");
  }
  slot *slot = &pictures->slots[taken % SLOTS];
  int result = cuda_device_enter(&pictures->gpu);
  if (result == 0) {
    result = cuda_check(&pictures->gpu, "cuEventSynchronize", pictures->gpu.library->event_synchronize(slot->done));
    forget_texture(pictures, slot);
    cuda_device_leave(&pictures->gpu);
  }
  *picture = cuda_layout_picture(&pictures->layout, slot->memory, slot->pinned);
  /* SYNC pictures.taken: pairs with cuda_pictures_begin_entered(). */
  atomic_store_explicit(&pictures->taken, taken + 1, memory_order_release);
  return result;
}
