/* libcuda.so.1: memory of the GPU's, which nobody but the GPU can touch, pinned memory, arrays, and copies between. */
#include <stdlib.h>
#include <string.h>

#include "cuda_internals.h"

/* Addresses of the GPU's are no addresses of the process's: who follows one crashes. */
#define GPU_BIT (1ull << 62)
#define PITCH_ALIGNMENT 512
#define POISON 0xA5

tcuMemAlloc_v2 cuMemAlloc_v2;
tcuMemAllocPitch_v2 cuMemAllocPitch_v2;
tcuMemFree_v2 cuMemFree_v2;
CUresult cuMemHostAlloc(void **made, size_t bytes, unsigned flags);
CUresult cuMemFreeHost(void *made);
tcuMemcpyDtoHAsync_v2 cuMemcpyDtoHAsync_v2;
tcuMemcpy2D_v2 cuMemcpy2D_v2;
tcuMemsetD8Async cuMemsetD8Async;
CUresult cuPointerGetAttribute(void *value, int attribute, CUdeviceptr address);
CUresult cuArray3DCreate_v2(CUarray *made, const CUDA_ARRAY3D_DESCRIPTOR *wanted);
CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *descriptor, CUarray handle);
tcuArrayDestroy cuArrayDestroy;

static memory *new_memory(const char *call, object_kind kind, size_t bytes) {
  memory *made = new_object(call, kind, sizeof *made);
  made->bytes = malloc(bytes);
  if (made->bytes == NULL) abort();
  made->bytes_count = bytes;
  memset(made->bytes, POISON, bytes);
  return made;
}

/* The allocation that an address lies in; NULL when none does. */
static memory *find_memory(unsigned long long address, size_t *offset) {
  const object_kind kind = address & GPU_BIT ? OBJECT_MEMORY : OBJECT_HOST_MEMORY;
  for (object *at = next_object(kind, NULL); at != NULL; at = next_object(kind, at)) {
    memory *found = (memory *)at;
    unsigned long long begin = (unsigned long long)(uintptr_t)found->bytes | (address & GPU_BIT);
    *offset = (size_t)(address - begin);
    if (address >= begin && *offset < found->bytes_count) return found;
  }
  return NULL;
}

static memory *demand_memory(const char *call, object_kind kind, unsigned long long address) {
  size_t offset;
  memory *found = find_memory(address, &offset);
  if (found == NULL || found->object.kind != kind || offset != 0) VIOLATION("%s: nothing is allocated there", call);
  return find_object(call, kind, found);
}

uint8_t *gpu_bytes(const char *call, unsigned long long address, size_t bytes_count) {
  size_t offset;
  const memory *found = find_memory(address, &offset);
  if (found == NULL) VIOLATION("%s: 0x%llx is not in the GPU's memory", call, address);
  if (bytes_count > found->bytes_count - offset) {
    VIOLATION("%s: %zu bytes at %zu of an allocation of %zu", call, bytes_count, offset, found->bytes_count);
  }
  return found->bytes + offset;
}

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  demand_context("cuMemAlloc");
  FAIL_AS_TOLD("cuMemAlloc");
  *address = (CUdeviceptr)(uintptr_t)new_memory("cuMemAlloc", OBJECT_MEMORY, bytes)->bytes | GPU_BIT;
  return CUDA_SUCCESS;
}

CUresult cuMemAllocPitch_v2(CUdeviceptr *address, size_t *pitch, size_t width, size_t height, unsigned element_bytes) {
  demand_context("cuMemAllocPitch");
  if (element_bytes != 4 && element_bytes != 8 && element_bytes != 16) VIOLATION("cuMemAllocPitch: element size");
  FAIL_AS_TOLD("cuMemAllocPitch");
  *pitch = (width / PITCH_ALIGNMENT + 1) * PITCH_ALIGNMENT; /* never the width itself */
  *address = (CUdeviceptr)(uintptr_t)new_memory("cuMemAllocPitch", OBJECT_MEMORY, *pitch * height)->bytes | GPU_BIT;
  return CUDA_SUCCESS;
}

static void free_memory(memory *memory) {
  if (memory->readers != 0) VIOLATION("memory is freed that is registered with an encoder");
  run_all(); /* freeing waits for the GPU */
  end_object(&memory->object);
  free(memory->bytes);
  memory->bytes = NULL;
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  free_memory(demand_memory("cuMemFree", OBJECT_MEMORY, address));
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void **made, size_t bytes, unsigned flags) {
  demand_context("cuMemHostAlloc");
  if (flags > 1) VIOLATION("cuMemHostAlloc: flags are %u", flags);
  FAIL_AS_TOLD("cuMemHostAlloc");
  *made = new_memory("cuMemHostAlloc", OBJECT_HOST_MEMORY, bytes)->bytes;
  return CUDA_SUCCESS;
}

CUresult cuMemFreeHost(void *made) {
  free_memory(demand_memory("cuMemFreeHost", OBJECT_HOST_MEMORY, (unsigned long long)(uintptr_t)made));
  return CUDA_SUCCESS;
}

CUresult cuPointerGetAttribute(void *value, int attribute, CUdeviceptr address) {
  size_t offset;
  if (attribute != 9) VIOLATION("cuPointerGetAttribute: the attribute is %d", attribute);
  FAIL_AS_TOLD("cuPointerGetAttribute");
  const memory *found = find_memory(address, &offset);
  if (found == NULL) return (CUresult)INVALID_VALUE;
  *(int *)value = found->object.context->device;
  return CUDA_SUCCESS;
}

/* ---- Arrays --------------------------------------------------------------------------------------- */

array *new_array(const char *call, uint32_t width, uint32_t height, uint32_t channels) {
  array *made = new_object(call, OBJECT_ARRAY, sizeof *made);
  made->width = width, made->height = height, made->channels = channels;
  made->bytes = malloc((size_t)width * height * channels);
  if (made->bytes == NULL) abort();
  memset(made->bytes, POISON, (size_t)width * height * channels);
  return made;
}

void free_array(array *array) {
  end_object(&array->object);
  free(array->bytes);
  array->bytes = NULL;
}

CUresult cuArray3DCreate_v2(CUarray *made, const CUDA_ARRAY3D_DESCRIPTOR *wanted) {
  if (wanted->Format != CU_AD_FORMAT_UNSIGNED_INT8 || wanted->Depth != 0) VIOLATION("cuArray3DCreate: not of bytes");
  *made = (CUarray)new_array("cuArray3DCreate", (uint32_t)wanted->Width, (uint32_t)wanted->Height, wanted->NumChannels);
  return CUDA_SUCCESS;
}

CUresult cuArrayDestroy(CUarray handle) {
  run_all();
  free_array(find_object("cuArrayDestroy", OBJECT_ARRAY, handle));
  return CUDA_SUCCESS;
}

CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *descriptor, CUarray handle) {
  const array *found = find_object("cuArray3DGetDescriptor", OBJECT_ARRAY, handle);
  FAIL_AS_TOLD("cuArray3DGetDescriptor");
  *descriptor = (CUDA_ARRAY3D_DESCRIPTOR){.Width = found->width,
                                          .Height = found->height,
                                          .Format = CU_AD_FORMAT_UNSIGNED_INT8,
                                          .NumChannels = found->channels};
  return CUDA_SUCCESS;
}

/* ---- Copies ---------------------------------------------------------------------------------------- */

static size_t span(size_t pitch, const CUDA_MEMCPY2D *copy) { return (copy->Height - 1) * pitch + copy->WidthInBytes; }

static uint8_t *end_of_copy(const CUDA_MEMCPY2D *copy, bool is_source, size_t *pitch) {
  CUmemorytype type = is_source ? copy->srcMemoryType : copy->dstMemoryType;
  *pitch = is_source ? copy->srcPitch : copy->dstPitch;
  if (type == CU_MEMORYTYPE_ARRAY) {
    const array *array = (const void *)(is_source ? copy->srcArray : copy->dstArray);
    if (!array->object.is_alive) VIOLATION("cuMemcpy2D: the array is unmapped or destroyed");
    *pitch = (size_t)array->width * array->channels;
    if (copy->WidthInBytes > *pitch || copy->Height > array->height) VIOLATION("cuMemcpy2D: beyond the array");
    return array->bytes;
  }
  if (*pitch < copy->WidthInBytes) VIOLATION("cuMemcpy2D: rows of %zu bytes %zu apart", copy->WidthInBytes, *pitch);
  if (type == CU_MEMORYTYPE_HOST) return is_source ? (uint8_t *)copy->srcHost : copy->dstHost;
  return gpu_bytes("cuMemcpy2D", is_source ? copy->srcDevice : copy->dstDevice, span(*pitch, copy));
}

static void copy_now(const CUDA_MEMCPY2D *copy) {
  size_t from_pitch, to_pitch;
  const uint8_t *from = end_of_copy(copy, true, &from_pitch);
  uint8_t *to = end_of_copy(copy, false, &to_pitch);
  for (size_t row = 0; row < copy->Height; row++) {
    memcpy(to + row * to_pitch, from + row * from_pitch, copy->WidthInBytes);
  }
}

/* For tests, which fill and look into the GPU's memory with it. */
CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *copy) {
  demand_context("cuMemcpy2D");
  run_all();
  copy_now(copy);
  return CUDA_SUCCESS;
}

static void run_copy(const operation *operation) {
  const char *call = "cuMemcpyDtoHAsync";
  size_t bytes = operation->of.copy.bytes;
  uint8_t *to = gpu_bytes(call, (uintptr_t)operation->of.copy.to, bytes);
  memcpy(to, gpu_bytes(call, operation->of.copy.from, bytes), bytes);
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream handle) {
  stream *stream = find_stream("cuMemcpyDtoHAsync", handle);
  FAIL_AS_TOLD("cuMemcpyDtoHAsync");
  gpu_bytes("cuMemcpyDtoHAsync to memory that is not pinned", (uintptr_t)to, bytes);
  put_work(stream, &(operation){.run = run_copy, .of.copy = {.to = to, .from = from, .bytes = bytes}});
  return CUDA_SUCCESS;
}

static void run_fill(const operation *operation) {
  size_t bytes = operation->of.fill.bytes;
  memset(gpu_bytes("cuMemsetD8Async", operation->of.fill.address, bytes), operation->of.fill.value, bytes);
}

/* For tests: work of the caller's own on a stream. */
CUresult cuMemsetD8Async(CUdeviceptr address, unsigned char value, size_t bytes, CUstream handle) {
  stream *stream = find_stream("cuMemsetD8Async", handle);
  gpu_bytes("cuMemsetD8Async", address, bytes);
  put_work(stream, &(operation){.run = run_fill, .of.fill = {.address = address, .bytes = bytes, .value = value}});
  return CUDA_SUCCESS;
}

void nvenc_double_count_reader(unsigned long long address, int change) {
  size_t offset;
  memory *found = find_memory(address, &offset);
  if (found == NULL) VIOLATION("an encoder reads 0x%llx, which is not in the GPU's memory", address);
  found->readers += change;
}

void *nvenc_double_gpu_bytes(const char *call, unsigned long long address, size_t bytes_count) {
  return gpu_bytes(call, address, bytes_count);
}
