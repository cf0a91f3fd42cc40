/* A machine with an NVIDIA GPU, by the double of its driver (nvenc_double/), and what a user's own CUDA program does on
 * it: memory, arrays, streams. For suites on request, with the double on the library path. */
#ifndef GPU_WORLD_H
#define GPU_WORLD_H

#include <stdbool.h>

#include "nvenc_double/nvenc_double.h"

/* Ends the test where libcuda.so.1 and libnvidia-encode.so.1 are not the double's. */
void need_double(void);

/* How the newest session was set. */
void get_params(NV_ENC_INITIALIZE_PARAMS *params, NV_ENC_CONFIG *config);

void count_all(nvenc_double_counts *counts);

/* No object of CUDA's or NVENC's is alive, none is mapped or locked, and no context is retained or current. */
void expect_nothing_left(void);

/* ---- A user's program, on device 0 ----------------------------------------------------------------- */

/* Retains the primary context, and makes it current for each call below. */
void gpu_begin(void);
void gpu_end(void);

/* Rows of row_bytes, with a pitch that is never that. Filled from `pixels`, which lie without padding; NULL: not. */
CUdeviceptr gpu_upload(const void *pixels, size_t row_bytes, size_t rows, size_t *pitch);
void gpu_overwrite(CUdeviceptr memory, size_t pitch, const void *pixels, size_t row_bytes, size_t rows);
void gpu_download(void *pixels, CUdeviceptr memory, size_t pitch, size_t row_bytes, size_t rows);
void gpu_free(CUdeviceptr memory);

CUarray gpu_array(const void *pixels, size_t width, size_t height, unsigned channels);
void gpu_free_array(CUarray array);

CUstream gpu_stream(void);
void gpu_free_stream(CUstream stream);
/* Queues it; it is done when somebody waits for what that stream does then, or later. */
void gpu_fill(CUdeviceptr memory, uint8_t value, size_t bytes, CUstream stream);

#endif
