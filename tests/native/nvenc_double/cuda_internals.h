/* Of libcuda.so.1: what its files share. Work runs as late as CUDA allows it: when somebody waits for it. Who reads a
 * result without having waited finds what was there before. */
#ifndef NVENC_DOUBLE_CUDA_INTERNALS_H
#define NVENC_DOUBLE_CUDA_INTERNALS_H

#include "cuda_kernels.h"
#include "nvenc_double.h"

enum {
  INVALID_VALUE = 1,
  NOT_INITIALIZED = 3,
  INVALID_DEVICE = 101,
  INVALID_CONTEXT = 201,
  INVALID_GRAPHICS_CONTEXT = 219,
  NOT_FOUND = 500,
};

/* Every object ever made stays known, so that one used after its end is recognised. */
typedef enum object_kind {
  OBJECT_MEMORY,
  OBJECT_HOST_MEMORY,
  OBJECT_ARRAY,
  OBJECT_STREAM,
  OBJECT_EVENT,
  OBJECT_MODULE,
  OBJECT_TEXTURE,
  OBJECT_GRAPHICS,
  OBJECT_KINDS
} object_kind;

typedef struct object {
  struct object *next;
  object_kind kind;
  bool is_alive;
  CUcontext context;
} object;

typedef struct memory {
  object object;
  uint8_t *bytes;
  size_t bytes_count;
  int readers; /* encoders that have it registered */
} memory;

typedef struct array {
  object object;
  uint8_t *bytes;
  uint32_t width, height, channels;
} array;

typedef struct texture {
  object object;
  array *array;
} texture;

typedef struct operation {
  struct operation *next;
  void (*run)(const struct operation *operation);
  union {
    struct {
      void *to;
      CUdeviceptr from;
      size_t bytes;
    } copy;
    struct {
      CUdeviceptr address;
      size_t bytes;
      uint8_t value;
    } fill;
    struct {
      const struct kernel *kernel;
      cuda_conversion job;
      unsigned grid[2], block[2];
    } launch;
    struct {
      struct stream *stream;
      uint64_t position;
    } wait;
  } of;
} operation;

typedef struct stream {
  object object;
  operation *first, *last;
  uint64_t queued, done;
} stream;

/* One lock for all calls; a kernel that runs may look for its objects. */
void cuda_lock(void);
void cuda_unlock(void);

/* Aborts when no context is current; finding aborts when it is none of this kind, destroyed, or of another context. */
void *new_object(const char *call, object_kind kind, size_t bytes);
void *find_object(const char *call, object_kind kind, const void *handle);
void end_object(object *object);
object *next_object(object_kind kind, object *after);
CUcontext demand_context(const char *call);

/* What the machine is told to fail with. */
#define FAIL_AS_TOLD(call)                        \
  do {                                            \
    int failure = nvenc_double_failure(call);     \
    if (failure != 0) return (CUresult)(failure); \
  } while (0)

/* ---- cuda_memory.c ------------------------------------------------------------------------------- */

/* The bytes behind an address of the GPU's, or of pinned memory; aborts unless one living allocation has them all. */
uint8_t *gpu_bytes(const char *call, unsigned long long address, size_t bytes_count);
array *new_array(const char *call, uint32_t width, uint32_t height, uint32_t channels);
void free_array(array *array);

/* ---- cuda_work.c --------------------------------------------------------------------------------- */

stream *find_stream(const char *call, CUstream handle);
void put_work(stream *stream, const operation *operation);
void run_stream(stream *stream, uint64_t position);
void run_all(void);

/* ---- cuda_kernels_double.c ------------------------------------------------------------------------ */

typedef struct kernel {
  const char *name;
  void (*run)(const cuda_conversion job);
} kernel;

const kernel *find_kernel(const char *name);
void run_kernel(const operation *operation);

#endif
