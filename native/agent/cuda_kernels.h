/* Between the kernels and who launches them: read by the CUDA compiler too, hence without other headers. */
#ifndef TELE_CUDA_KERNELS_H
#define TELE_CUDA_KERNELS_H

/* The one argument of every kernel. Addresses are the GPU's. */
typedef struct cuda_conversion {
  unsigned long long source;        /* plane 0, or a texture object */
  unsigned long long source_chroma; /* of NV12 */
  unsigned long long luma, u, v;    /* where to; NV12 has v one byte behind u */
  unsigned source_pitch;            /* bytes from row to row, as all of them */
  unsigned luma_pitch, chroma_pitch;
  unsigned chroma_step;   /* bytes from sample to sample: 1 for I420, 2 for NV12 */
  unsigned width, height; /* of the source; odd sides are rounded up */
  unsigned pixel_bytes;   /* RGB: 3 or 4 */
  unsigned red_at;        /* RGB: 0, or 2 where blue is first */
  unsigned bottom_up;     /* 1: the source's last row is the picture's first, as OpenGL has it */
} cuda_conversion;

/* A block of threads; each thread makes two by two pixels. */
#define CUDA_BLOCK_WIDTH 32
#define CUDA_BLOCK_HEIGHT 8

#ifdef __CUDACC__
typedef unsigned char *cuda_bytes;
typedef const unsigned char *cuda_const_bytes;

static __device__ uchar4 tex2D_uchar4(unsigned long long texture, float x, float y) {
  return tex2D<uchar4>(texture, x, y);
}
#endif

#endif
