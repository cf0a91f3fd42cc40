/* libcuda.so.1: runs the kernels of native/agent/cuda_kernels.cu, thread after thread, after a look at all that they
 * will touch. */
#include <string.h>

#include "cuda_internals.h"

/* ---- What CUDA C++ has and C has not -------------------------------------------------------------- */

#define __global__ static
#define __device__

typedef struct uchar4 {
  unsigned char x, y, z, w;
} uchar4;
typedef struct dimensions {
  unsigned x, y;
} dimensions;
typedef unsigned char *cuda_bytes;
typedef const unsigned char *cuda_const_bytes;

static dimensions threadIdx, blockIdx, blockDim; /* under the lock */

static const array *array_of(unsigned long long handle) {
  const texture *found = (const texture *)(uintptr_t)handle;
  if (!found->object.is_alive) VIOLATION("a kernel reads a texture object that is destroyed");
  if (!found->array->object.is_alive) VIOLATION("a kernel reads an array that is unmapped or destroyed");
  return found->array;
}

static uchar4 tex2D_uchar4(unsigned long long texture, float x, float y) {
  const array *array = array_of(texture);
  if (x < 0 || y < 0 || (unsigned)x >= array->width || (unsigned)y >= array->height) {
    VIOLATION("a kernel reads at %g, %g of an array of %u x %u", x, y, array->width, array->height);
  }
  uchar4 pixel;
  memcpy(&pixel, array->bytes + 4 * ((size_t)(unsigned)y * array->width + (unsigned)x), 4);
  return pixel;
}

#include "cuda_kernels.cu"

/* ---- Running ---------------------------------------------------------------------------------------- */

static const kernel kernels[] = {{"tele_convert_rgb", tele_convert_rgb},
                                 {"tele_convert_texture", tele_convert_texture},
                                 {"tele_convert_grey", tele_convert_grey},
                                 {"tele_convert_nv12", tele_convert_nv12}};

const kernel *find_kernel(const char *name) {
  for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
    if (strcmp(kernels[i].name, name) == 0) return &kernels[i];
  }
  return NULL;
}

static unsigned long long reach(const char *what, unsigned long long address, unsigned pitch, unsigned rows,
                                unsigned row_bytes) {
  if (pitch < row_bytes) VIOLATION("%s: rows of %u bytes are %u apart", what, row_bytes, pitch);
  return (uintptr_t)gpu_bytes(what, address, (size_t)(rows - 1) * pitch + row_bytes);
}

/* The job with addresses that the CPU can follow. */
static cuda_conversion translate(const operation *operation) {
  cuda_conversion job = operation->of.launch.job;
  const char *name = operation->of.launch.kernel->name;
  unsigned width = (job.width + 1) / 2, height = (job.height + 1) / 2;
  bool is_texture = strcmp(name, "tele_convert_texture") == 0, is_rgb = strcmp(name, "tele_convert_rgb") == 0;
  bool is_nv12 = strcmp(name, "tele_convert_nv12") == 0;
  if (is_texture) {
    const array *array = array_of(job.source);
    if (array->width != job.width || array->height != job.height || array->channels != 4) {
      VIOLATION("%s: the array has %u x %u of %u bytes", name, array->width, array->height, array->channels);
    }
  } else {
    job.source = reach(name, job.source, job.source_pitch, job.height, job.width * (is_rgb ? job.pixel_bytes : 1));
  }
  if (is_nv12) job.source_chroma = reach(name, job.source_chroma, job.source_pitch, height, 2 * width);
  job.luma = reach(name, job.luma, job.luma_pitch, 2 * height, 2 * width);
  job.u = reach(name, job.u, job.chroma_pitch, height, (width - 1) * job.chroma_step + 1);
  job.v = reach(name, job.v, job.chroma_pitch, height, (width - 1) * job.chroma_step + 1);
  return job;
}

void run_kernel(const operation *operation) {
  const cuda_conversion job = translate(operation);
  blockDim = (dimensions){operation->of.launch.block[0], operation->of.launch.block[1]};
  for (blockIdx.y = 0; blockIdx.y < operation->of.launch.grid[1]; blockIdx.y++) {
    for (blockIdx.x = 0; blockIdx.x < operation->of.launch.grid[0]; blockIdx.x++) {
      for (threadIdx.y = 0; threadIdx.y < blockDim.y; threadIdx.y++) {
        for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) operation->of.launch.kernel->run(job);
      }
    }
  }
}
