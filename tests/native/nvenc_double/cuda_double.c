/* libcuda.so.1: devices, primary contexts and the stack of current contexts, as far as an encoder needs them. */
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_internals.h"

#define GPUS_MAX 8
#define STACK_MAX 1

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct CUctx_st contexts[GPUS_MAX];
static bool initialized;
static int pushed_count;
static _Thread_local CUcontext stack[STACK_MAX];
static _Thread_local int depth;

void nvenc_double_violation(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "NVENC DOUBLE: ");
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  abort();
}

int nvenc_double_failure(const char *call) {
  static int calls;
  const char *plan = getenv("NVENC_DOUBLE_FAIL");
  char name[64];
  int number, status;
  if (plan == NULL || sscanf(plan, "%63s %d %d", name, &number, &status) != 3 || strcmp(name, call) != 0) return 0;
  pthread_mutex_lock(&mutex);
  bool fails = ++calls == number;
  pthread_mutex_unlock(&mutex);
  return fails ? status : 0;
}

bool nvenc_double_gpu(int index, char name[64], char state[16]) {
  const char *gpus = getenv("NVENC_DOUBLE_GPUS");
  if (gpus == NULL) gpus = "NVENC double";
  for (; index > 0 && gpus != NULL; index--) {
    gpus = strchr(gpus, ',');
    if (gpus != NULL) gpus++;
  }
  name[0] = state[0] = '\0';
  return gpus != NULL && sscanf(gpus, "%63[^,=]=%15[^,]", name, state) >= 1;
}

CUcontext nvenc_double_current(void) { return depth > 0 ? stack[depth - 1] : NULL; }

void nvenc_double_count_contexts(int *contexts_out, int *pushed_out) {
  pthread_mutex_lock(&mutex);
  *contexts_out = 0;
  for (int i = 0; i < GPUS_MAX; i++) *contexts_out += contexts[i].retained;
  *pushed_out = pushed_count;
  pthread_mutex_unlock(&mutex);
}

__attribute__((destructor)) static void check_exit(void) {
  int retained, pushed;
  nvenc_double_count_contexts(&retained, &pushed);
  if (retained != 0) VIOLATION("at exit %d contexts are not released", retained);
  if (pushed != 0) VIOLATION("at exit %d contexts are still current", pushed);
}

static int gpus_count(void) {
  char name[64], state[16];
  int count = 0;
  while (count < GPUS_MAX && nvenc_double_gpu(count, name, state)) count++;
  return count;
}

static CUcontext context_of(CUdevice device, const char *call) {
  if (!initialized) VIOLATION("%s before cuInit", call);
  if (device < 0 || device >= gpus_count()) VIOLATION("%s: there is no device %d", call, device);
  return &contexts[device];
}

/* ---- The API: prototypes by dynlink_cuda.h ------------------------------------------------------ */

tcuInit cuInit;
tcuGetErrorName cuGetErrorName;
tcuDeviceGetCount cuDeviceGetCount;
tcuDeviceGet cuDeviceGet;
tcuDeviceGetName cuDeviceGetName;
tcuDeviceGetAttribute cuDeviceGetAttribute;
CUresult cuDriverGetVersion(int *version);
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device);
tcuDevicePrimaryCtxSetFlags cuDevicePrimaryCtxSetFlags;
tcuDevicePrimaryCtxRetain cuDevicePrimaryCtxRetain;
tcuDevicePrimaryCtxRelease cuDevicePrimaryCtxRelease;
tcuCtxPushCurrent_v2 cuCtxPushCurrent_v2;
tcuCtxPopCurrent_v2 cuCtxPopCurrent_v2;

CUresult cuInit(unsigned int flags) {
  if (flags != 0) VIOLATION("cuInit: flags are %u", flags);
  int failure = nvenc_double_failure("cuInit");
  if (failure != 0) return (CUresult)failure;
  initialized = true;
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult result, const char **name) {
  switch ((int)result) {
    case 0: *name = "CUDA_SUCCESS"; break;
    case NOT_INITIALIZED: *name = "CUDA_ERROR_NOT_INITIALIZED"; break;
    case INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
    case 2: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case 46: *name = "CUDA_ERROR_DEVICE_UNAVAILABLE"; break;
    case 100: *name = "CUDA_ERROR_NO_DEVICE"; break;
    case INVALID_GRAPHICS_CONTEXT: *name = "CUDA_ERROR_INVALID_GRAPHICS_CONTEXT"; break;
    case NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
    case 999: *name = "CUDA_ERROR_UNKNOWN"; break;
    default: *name = NULL; return (CUresult)1;
  }
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count) {
  if (!initialized) return (CUresult)NOT_INITIALIZED;
  *count = gpus_count();
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  if (!initialized) return (CUresult)NOT_INITIALIZED;
  if (ordinal < 0 || ordinal >= gpus_count()) return (CUresult)INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int bytes, CUdevice device) {
  char full[64], state[16];
  context_of(device, "cuDeviceGetName");
  nvenc_double_gpu(device, full, state);
  snprintf(name, (size_t)bytes, "%s", full);
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version) {
  *version = 12040;
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  context_of(device, "cuDeviceTotalMem_v2");
  *bytes = (size_t)16 << 30;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  context_of(device, "cuDeviceGetAttribute");
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = 8; return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = 9; return CUDA_SUCCESS;
    default: VIOLATION("cuDeviceGetAttribute: the attribute is %d", (int)attribute);
  }
  return (CUresult)INVALID_DEVICE;
}

CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned int flags) {
  context_of(device, "cuDevicePrimaryCtxSetFlags");
  if (flags > CU_CTX_SCHED_BLOCKING_SYNC) VIOLATION("cuDevicePrimaryCtxSetFlags: flags are %u", flags);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  CUcontext found = context_of(device, "cuDevicePrimaryCtxRetain");
  int failure = nvenc_double_failure("cuDevicePrimaryCtxRetain");
  if (failure != 0) return (CUresult)failure;
  pthread_mutex_lock(&mutex);
  found->device = device;
  found->retained++;
  pthread_mutex_unlock(&mutex);
  *context = found;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  CUcontext found = context_of(device, "cuDevicePrimaryCtxRelease");
  pthread_mutex_lock(&mutex);
  if (found->retained == 0) VIOLATION("cuDevicePrimaryCtxRelease: not retained");
  found->retained--;
  if (found->retained < found->sessions) VIOLATION("a context is released before its session is destroyed");
  pthread_mutex_unlock(&mutex);
  return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent_v2(CUcontext context) {
  if (context < contexts || context >= contexts + GPUS_MAX) return (CUresult)INVALID_CONTEXT;
  if (context->retained == 0) VIOLATION("cuCtxPushCurrent: the context is not retained");
  /* Nesting is allowed by CUDA, but here a second one means that the first was never popped. */
  if (depth > 0) VIOLATION("cuCtxPushCurrent: a context is current already on this thread");
  int failure = nvenc_double_failure("cuCtxPushCurrent");
  if (failure != 0) return (CUresult)failure;
  stack[depth++] = context;
  __atomic_add_fetch(&pushed_count, 1, __ATOMIC_RELAXED);
  return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  if (depth == 0) VIOLATION("cuCtxPopCurrent: no context is current on this thread");
  *context = stack[--depth];
  __atomic_sub_fetch(&pushed_count, 1, __ATOMIC_RELAXED);
  return CUDA_SUCCESS;
}
