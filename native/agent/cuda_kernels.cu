/*
 * Pictures in the GPU's memory to I420 or NV12, by the same fixed-point sums as src/convert_rows.c, so that a picture
 * comes out bit for bit as the CPU makes it (ITU-R BT.709-6, limited range). One thread makes a block of two by two
 * pixels. What the driver loads is cuda_kernels_ptx.h: after a change, `make -C native ptx`.
 *
 * It is C as well as CUDA C++: the double of NVIDIA's driver (tests/native/nvenc_double) runs this file on the CPU.
 */
#include "cuda_kernels.h"

#ifdef __CUDACC__
extern "C" {
#endif

enum { Y_RED = 5983, Y_GREEN = 20127, Y_BLUE = 2032 };
enum { U_RED = -3298, U_GREEN = -11094, U_BLUE = 14392 };
enum { V_RED = 14392, V_GREEN = -13072, V_BLUE = -1320 };
enum { LUMA_SHIFT = 15, LUMA_BIAS = (16 << LUMA_SHIFT) + (1 << (LUMA_SHIFT - 1)) };
enum { CHROMA_SHIFT = 17, CHROMA_BIAS = (128 << CHROMA_SHIFT) + (1 << (CHROMA_SHIFT - 1)) };

typedef struct colour {
  int red, green, blue;
} colour;

/* The block of this thread; false beyond the picture. Odd sides end with their last column or row twice. */
typedef struct block {
  unsigned x, y; /* of the chroma sample */
  unsigned columns[2], rows[2];
} block;

static __device__ bool find_block(const cuda_conversion *job, block *found) {
  unsigned x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (2 * x >= job->width || 2 * y >= job->height) return false;
  found->x = x;
  found->y = y;
  for (unsigned i = 0; i < 2; i++) {
    unsigned column = 2 * x + i, row = 2 * y + i;
    found->columns[i] = column < job->width ? column : job->width - 1;
    row = row < job->height ? row : job->height - 1;
    found->rows[i] = job->bottom_up ? job->height - 1 - row : row;
  }
  return true;
}

static __device__ void store_luma(const cuda_conversion *job, const block *at, unsigned i, unsigned j, int luma) {
  cuda_bytes row = (cuda_bytes)job->luma + (unsigned long long)(2 * at->y + i) * job->luma_pitch;
  row[2 * at->x + j] = (unsigned char)luma;
}

static __device__ void store_chroma(const cuda_conversion *job, const block *at, int u, int v) {
  unsigned long long offset = (unsigned long long)at->y * job->chroma_pitch + at->x * job->chroma_step;
  ((cuda_bytes)job->u)[offset] = (unsigned char)u;
  ((cuda_bytes)job->v)[offset] = (unsigned char)v;
}

/* ---- RGB ----------------------------------------------------------------------------------------- */

static __device__ void add_pixel(const cuda_conversion *job, const block *at, unsigned i, unsigned j, colour pixel,
                                 colour *sums) {
  int luma = Y_RED * pixel.red + Y_GREEN * pixel.green + Y_BLUE * pixel.blue;
  store_luma(job, at, i, j, (luma + LUMA_BIAS) >> LUMA_SHIFT);
  sums->red += pixel.red;
  sums->green += pixel.green;
  sums->blue += pixel.blue;
}

static __device__ void store_mean(const cuda_conversion *job, const block *at, const colour *sums) {
  int u = U_RED * sums->red + U_GREEN * sums->green + U_BLUE * sums->blue;
  int v = V_RED * sums->red + V_GREEN * sums->green + V_BLUE * sums->blue;
  store_chroma(job, at, (u + CHROMA_BIAS) >> CHROMA_SHIFT, (v + CHROMA_BIAS) >> CHROMA_SHIFT);
}

/* RGB8, RGBA8 and BGRA8, by pixel_bytes and red_at. */
__global__ void tele_convert_rgb(const cuda_conversion job) {
  block at;
  if (!find_block(&job, &at)) return;
  colour sums = {0, 0, 0};
  for (unsigned i = 0; i < 2; i++) {
    cuda_const_bytes row = (cuda_const_bytes)job.source + (unsigned long long)at.rows[i] * job.source_pitch;
    for (unsigned j = 0; j < 2; j++) {
      cuda_const_bytes pixel = row + (unsigned long long)at.columns[j] * job.pixel_bytes;
      colour read = {pixel[job.red_at], pixel[1], pixel[2 - job.red_at]};
      add_pixel(&job, &at, i, j, read, &sums);
    }
  }
  store_mean(&job, &at, &sums);
}

/* The same from a texture object over an array of four bytes an element, as OpenGL's textures are. */
__global__ void tele_convert_texture(const cuda_conversion job) {
  block at;
  if (!find_block(&job, &at)) return;
  colour sums = {0, 0, 0};
  for (unsigned i = 0; i < 2; i++) {
    for (unsigned j = 0; j < 2; j++) {
      uchar4 pixel = tex2D_uchar4(job.source, (float)at.columns[j] + 0.5f, (float)at.rows[i] + 0.5f);
      colour read = {job.red_at == 0 ? pixel.x : pixel.z, pixel.y, job.red_at == 0 ? pixel.z : pixel.x};
      add_pixel(&job, &at, i, j, read, &sums);
    }
  }
  store_mean(&job, &at, &sums);
}

/* ---- What has luma already ---------------------------------------------------------------------- */

__global__ void tele_convert_grey(const cuda_conversion job) {
  block at;
  if (!find_block(&job, &at)) return;
  for (unsigned i = 0; i < 2; i++) {
    cuda_const_bytes row = (cuda_const_bytes)job.source + (unsigned long long)at.rows[i] * job.source_pitch;
    for (unsigned j = 0; j < 2; j++) {
      store_luma(&job, &at, i, j, (row[at.columns[j]] * 220 + (16 << 8) + 128) >> 8);
    }
  }
  store_chroma(&job, &at, 128, 128);
}

__global__ void tele_convert_nv12(const cuda_conversion job) {
  block at;
  if (!find_block(&job, &at)) return;
  for (unsigned i = 0; i < 2; i++) {
    cuda_const_bytes row = (cuda_const_bytes)job.source + (unsigned long long)at.rows[i] * job.source_pitch;
    for (unsigned j = 0; j < 2; j++) store_luma(&job, &at, i, j, row[at.columns[j]]);
  }
  unsigned y = job.bottom_up ? (job.height + 1) / 2 - 1 - at.y : at.y;
  cuda_const_bytes pair = (cuda_const_bytes)job.source_chroma + (unsigned long long)y * job.source_pitch + 2 * at.x;
  store_chroma(&job, &at, pair[0], pair[1]);
}

#ifdef __CUDACC__
}
#endif
