/*
 * A conformance double of NVIDIA's driver: a libcuda.so.1 and a libnvidia-encode.so.1 for machines without an NVENC,
 * found through LD_LIBRARY_PATH in tests and nowhere else. It checks all that it is given against nvEncodeAPI.h and
 * aborts on misuse with "NVENC DOUBLE: ..." on stderr; what real hardware refuses it refuses with the same code. The
 * stream that it makes is OpenH264's.
 *
 * The environment tells it which machine to be:
 * - NVENC_DOUBLE_GPUS="NVIDIA H200=none,NVIDIA L4": the GPUs in order; "=none" has no encoder, "=busy" no session left
 * - NVENC_DOUBLE_API="10.0": the newest version of the API that the driver has
 * - NVENC_DOUBLE_GL=1: CUDA's device that OpenGL renders on, 0 by default
 * - NVENC_DOUBLE_FAIL="nvEncEncodePicture 4 5": the fourth call of that name fails with status 5. After
 *   NV_ENC_ERR_DEVICE_NOT_EXIST (5) of the encoder the GPU is lost, and every later call of it fails so
 */
#ifndef NVENC_DOUBLE_H
#define NVENC_DOUBLE_H

#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/nvEncodeAPI.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What is alive; all 0 when a process has cleaned up. Both libraries check that at exit. */
typedef struct nvenc_double_counts {
  int contexts; /* retained and not released */
  int pushed;   /* contexts that are current on some thread */
  int sessions;
  int buffers;
  int locks;
  int objects; /* of CUDA's: memory, streams, events, modules, textures, registered images */
  int mapped;  /* images and resources */
} nvenc_double_counts;

/* libnvidia-encode.so.1 exports these beside the API, for dlsym() by the tests. */
#define NVENC_DOUBLE_COUNTS "nvenc_double_get_counts"
typedef void nvenc_double_get_counts_fn(nvenc_double_counts *counts);
#define NVENC_DOUBLE_PARAMS "nvenc_double_get_params"
/* How the newest session was last initialised or reconfigured, and since then its encodeConfig. */
typedef void nvenc_double_get_params_fn(NV_ENC_INITIALIZE_PARAMS *params, NV_ENC_CONFIG *config);

/* ---- Between the two libraries ------------------------------------------------------------------ */

struct CUctx_st {
  CUdevice device;
  int retained;
  int sessions; /* open on it */
};

__attribute__((noreturn, format(printf, 1, 2))) void nvenc_double_violation(const char *format, ...);
#define VIOLATION(...) nvenc_double_violation(__VA_ARGS__)

/* What NVENC_DOUBLE_FAIL says of this call; 0 = it goes well. Counts the calls. */
int nvenc_double_failure(const char *call);

/* The GPU's name, and what follows its "=" or "". False behind the last. */
bool nvenc_double_gpu(int index, char name[64], char state[16]);

CUcontext nvenc_double_current(void);
void nvenc_double_count_contexts(int *contexts, int *pushed);
void nvenc_double_count_objects(int *objects, int *mapped);
int nvenc_double_count_mapped(void);

/* Memory that an encoder has registered, by 1, or no longer has, by -1, may not be freed. */
void nvenc_double_count_reader(unsigned long long address, int change);

/* The bytes behind an address of the GPU's; aborts unless one living allocation has them all. */
void *nvenc_double_gpu_bytes(const char *call, unsigned long long address, size_t bytes_count);

#endif
