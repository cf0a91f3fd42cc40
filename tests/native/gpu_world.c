#include "gpu_world.h"

#include <dlfcn.h>

#include "cuda_device.h"
#include "harness.h"

static nvenc_double_get_counts_fn *get_counts;
static nvenc_double_get_params_fn *params_of_newest;
static tcuMemAllocPitch_v2 *alloc_pitch;
static tcuMemcpy2D_v2 *copy;
static tcuArray3DCreate *array_create;
static tcuArrayDestroy *array_destroy;
static tcuMemsetD8Async *fill;
static cuda_device gpu;

static void *symbol(void *library, const char *name) {
  void *found = dlsym(library, name);
  if (found == NULL) fail_test(__FILE__, __LINE__, "%s is not the double's: %s", name, dlerror());
  return found;
}

void need_double(void) {
  void *encode = dlopen("libnvidia-encode.so.1", RTLD_NOW | RTLD_LOCAL);
  void *cuda = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (encode == NULL || cuda == NULL) {
    fail_test(__FILE__, __LINE__, "%s: is the double on LD_LIBRARY_PATH?", dlerror());
  }
  *(void **)&get_counts = symbol(encode, NVENC_DOUBLE_COUNTS);
  *(void **)&params_of_newest = symbol(encode, NVENC_DOUBLE_PARAMS);
  *(void **)&alloc_pitch = symbol(cuda, "cuMemAllocPitch_v2");
  *(void **)&copy = symbol(cuda, "cuMemcpy2D_v2");
  *(void **)&array_create = symbol(cuda, "cuArray3DCreate_v2");
  *(void **)&array_destroy = symbol(cuda, "cuArrayDestroy");
  *(void **)&fill = symbol(cuda, "cuMemsetD8Async");
}

void get_params(NV_ENC_INITIALIZE_PARAMS *params, NV_ENC_CONFIG *config) { params_of_newest(params, config); }

void count_all(nvenc_double_counts *counts) { get_counts(counts); }

void expect_nothing_left(void) {
  nvenc_double_counts counts;
  get_counts(&counts);
  CHECK_EQ(counts.locks, 0);
  CHECK_EQ(counts.mapped, 0);
  CHECK_EQ(counts.buffers, 0);
  CHECK_EQ(counts.objects, 0);
  CHECK_EQ(counts.sessions, 0);
  CHECK_EQ(counts.contexts, 0);
  CHECK_EQ(counts.pushed, 0);
}

void gpu_begin(void) {
  need_double();
  CHECK_EQ(cuda_device_find(0, &gpu), 0);
  CHECK_EQ(cuda_device_open(&gpu), 0);
}

void gpu_end(void) { cuda_device_close(&gpu); }

static void copy_rows(CUDA_MEMCPY2D how, size_t row_bytes, size_t rows) {
  how.WidthInBytes = row_bytes;
  how.Height = rows;
  CHECK_EQ(copy(&how), 0);
}

void gpu_overwrite(CUdeviceptr memory, size_t pitch, const void *pixels, size_t row_bytes, size_t rows) {
  CHECK_EQ(cuda_device_enter(&gpu), 0);
  CUDA_MEMCPY2D how = {.srcMemoryType = CU_MEMORYTYPE_HOST,
                       .srcHost = pixels,
                       .srcPitch = row_bytes,
                       .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                       .dstDevice = memory,
                       .dstPitch = pitch};
  copy_rows(how, row_bytes, rows);
  cuda_device_leave(&gpu);
}

CUdeviceptr gpu_upload(const void *pixels, size_t row_bytes, size_t rows, size_t *pitch) {
  CUdeviceptr memory;
  CHECK_EQ(cuda_device_enter(&gpu), 0);
  CHECK_EQ(alloc_pitch(&memory, pitch, row_bytes, rows, 4), 0);
  cuda_device_leave(&gpu);
  if (pixels != NULL) gpu_overwrite(memory, *pitch, pixels, row_bytes, rows);
  return memory;
}

void gpu_download(void *pixels, CUdeviceptr memory, size_t pitch, size_t row_bytes, size_t rows) {
  CHECK_EQ(cuda_device_enter(&gpu), 0);
  CUDA_MEMCPY2D how = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
                       .srcDevice = memory,
                       .srcPitch = pitch,
                       .dstMemoryType = CU_MEMORYTYPE_HOST,
                       .dstHost = pixels,
                       .dstPitch = row_bytes};
  copy_rows(how, row_bytes, rows);
  cuda_device_leave(&gpu);
}

void gpu_free(CUdeviceptr memory) {
  CHECK_EQ(cuda_device_enter(&gpu), 0);
  CHECK_EQ(gpu.library->memory_free(memory), 0);
  cuda_device_leave(&gpu);
}

CUarray gpu_array(const void *pixels, size_t width, size_t height, unsigned channels) {
  CUarray array;
  const CUDA_ARRAY3D_DESCRIPTOR wanted = {
      .Width = width, .Height = height, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = channels};
  CHECK_EQ(cuda_device_enter(&gpu), 0);
  CHECK_EQ(array_create(&array, &wanted), 0);
  CUDA_MEMCPY2D how = {.srcMemoryType = CU_MEMORYTYPE_HOST,
                       .srcHost = pixels,
                       .srcPitch = width * channels,
                       .dstMemoryType = CU_MEMORYTYPE_ARRAY,
                       .dstArray = array};
  copy_rows(how, width * channels, height);
  cuda_device_leave(&gpu);
  return array;
}

void gpu_free_array(CUarray array) {
  CHECK_EQ(cuda_device_enter(&gpu), 0);
  CHECK_EQ(array_destroy(array), 0);
  cuda_device_leave(&gpu);
}

CUstream gpu_stream(void) {
  CUstream stream;
  CHECK_EQ(cuda_device_enter(&gpu), 0);
  CHECK_EQ(gpu.library->stream_create(&stream, 0), 0);
  cuda_device_leave(&gpu);
  return stream;
}

void gpu_free_stream(CUstream stream) {
  CHECK_EQ(cuda_device_enter(&gpu), 0);
  CHECK_EQ(gpu.library->stream_destroy(stream), 0);
  cuda_device_leave(&gpu);
}

void gpu_fill(CUdeviceptr memory, uint8_t value, size_t bytes, CUstream stream) {
  CHECK_EQ(cuda_device_enter(&gpu), 0);
  CHECK_EQ(fill(memory, value, bytes, stream), 0);
  cuda_device_leave(&gpu);
}
