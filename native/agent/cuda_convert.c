#include "cuda_convert.h"

#include <errno.h>

#include "cuda_kernels.h"
#include "cuda_kernels_ptx.h"
#include "error.h"
#include "picture.h"

/* What NVENC likes its rows to begin at (nvEncRegisterResource demands 4). */
#define PITCH_ALIGNMENT 256u

/* ---- Layout ------------------------------------------------------------------------------------- */

cuda_layout cuda_layout_of(uint32_t width, uint32_t height, bool to_memory) {
  cuda_layout layout = {.source_width = width,
                        .source_height = height,
                        .width = (width + 1) & ~1u,
                        .height = (height + 1) & ~1u,
                        .is_nv12 = !to_memory};
  layout.pitch = to_memory ? layout.width : (layout.width + PITCH_ALIGNMENT - 1) / PITCH_ALIGNMENT * PITCH_ALIGNMENT;
  layout.bytes = (size_t)layout.pitch * layout.height / 2 * 3;
  return layout;
}

encoder_picture cuda_layout_picture(const cuda_layout *layout, CUdeviceptr memory, const uint8_t *copy) {
  const int pitch = (int)layout->pitch;
  const size_t luma_bytes = (size_t)layout->pitch * layout->height;
  encoder_picture picture = {.strides = {pitch}, .width = layout->width, .height = layout->height};
  if (layout->is_nv12) {
    picture.device_address = memory;
    return picture;
  }
  picture.strides[1] = picture.strides[2] = pitch / 2;
  picture.planes[0] = copy;
  picture.planes[1] = copy + luma_bytes;
  picture.planes[2] = copy + luma_bytes / 4 * 5;
  return picture;
}

/* ---- Kernels ------------------------------------------------------------------------------------ */

int cuda_converter_open(const cuda_device *gpu, cuda_converter *converter) {
  const cuda_library *cuda = gpu->library;
  *converter = (cuda_converter){.gpu = gpu};
  const struct {
    CUfunction *function;
    const char *name;
  } wanted[] = {{&converter->rgb, "tele_convert_rgb"},
                {&converter->texture, "tele_convert_texture"},
                {&converter->grey, "tele_convert_grey"},
                {&converter->nv12, "tele_convert_nv12"}};
  CUresult loaded = cuda->module_load(&converter->module, cuda_kernels_ptx, 0, NULL, NULL);
  int result = cuda_check(gpu, "cuModuleLoadDataEx", loaded);
  for (size_t i = 0; result == 0 && i < sizeof wanted / sizeof wanted[0]; i++) {
    CUresult found = cuda->module_function(wanted[i].function, converter->module, wanted[i].name);
    result = cuda_check(gpu, "cuModuleGetFunction", found);
  }
  return result;
}

void cuda_converter_close(cuda_converter *converter) {
  if (converter->module != NULL) converter->gpu->library->module_unload(converter->module);
}

/* ---- Sources ------------------------------------------------------------------------------------ */

/* A kernel that reads where it may not ends the context for everybody in the process: so the driver is asked. */
static int check_address(const cuda_device *gpu, uint64_t address, const char *what) {
  int ordinal = -1;
  CUresult found = gpu->library->pointer_attribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL_CODE, address);
  if ((int)found == CUDA_ERROR_INVALID_VALUE_CODE) {
    return error_set(EINVAL, "%s: the %s at 0x%llx are not in CUDA's memory", gpu->name, what,
                     (unsigned long long)address);
  }
  int result = cuda_check(gpu, "cuPointerGetAttribute", found);
  if (result < 0 || ordinal == gpu->device) return result;
  return error_set(EINVAL, "%s: the %s at 0x%llx are in the memory of CUDA's device %d, not of %d", gpu->name, what,
                   (unsigned long long)address, ordinal, gpu->device);
}

static int plan_planes(const cuda_device *gpu, const cuda_source *source, cuda_conversion *job) {
  const uint32_t pitch_min = picture_stride_min(source->format, job->width);
  job->source_pitch = source->pitch == 0 ? pitch_min : source->pitch;
  if (job->source_pitch < pitch_min) {
    return error_set(EINVAL, "%s: rows of %u pixels have at least %u bytes, and these are %u apart", gpu->name,
                     job->width, pitch_min, job->source_pitch);
  }
  job->source = source->address;
  job->source_chroma =
      source->chroma != 0 ? source->chroma : source->address + (uint64_t)job->source_pitch * job->height;
  int result = check_address(gpu, job->source, "pixels");
  if (result == 0 && source->chroma != 0) result = check_address(gpu, source->chroma, "UV rows");
  return result;
}

static int plan_array(const cuda_device *gpu, const cuda_source *source, cuda_conversion *job, CUtexObject *texture) {
  CUDA_ARRAY3D_DESCRIPTOR found = {0};
  int result = cuda_check(gpu, "cuArray3DGetDescriptor", gpu->library->array_descriptor(&found, source->array));
  if (result < 0) return result;
  if (found.Width != job->width || found.Height != job->height || found.NumChannels != 4 ||
      (found.Format != CU_AD_FORMAT_UNSIGNED_INT8)) {
    return error_set(EINVAL,
                     "%s: the array has %zu x %zu elements of %u channels and CUDA's format %d; expected %u x %u of 4 "
                     "unsigned bytes",
                     gpu->name, found.Width, found.Height, found.NumChannels, (int)found.Format, job->width,
                     job->height);
  }
  const CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = source->array};
  const CUDA_TEXTURE_DESC how = {
      .addressMode = {CU_TR_ADDRESS_MODE_CLAMP, CU_TR_ADDRESS_MODE_CLAMP, CU_TR_ADDRESS_MODE_CLAMP},
      .filterMode = CU_TR_FILTER_MODE_POINT,
      .flags = CU_TRSF_READ_AS_INTEGER};
  result = cuda_check(gpu, "cuTexObjectCreate", gpu->library->texture_create(texture, &resource, &how, NULL));
  job->source = *texture;
  return result;
}

/* Which kernel, and how it reads its pixels; NULL for a format that none reads. */
static CUfunction choose_kernel(const cuda_converter *converter, const cuda_source *source, cuda_conversion *job) {
  const bool is_array = source->address == 0;
  switch (source->format) {
    case TELE_FORMAT_BGRA8: job->red_at = 2; __attribute__((fallthrough));
    case TELE_FORMAT_RGBA8: job->pixel_bytes = 4; return is_array ? converter->texture : converter->rgb;
    case TELE_FORMAT_RGB8: job->pixel_bytes = 3; return is_array ? NULL : converter->rgb;
    case TELE_FORMAT_GRAY8: return is_array ? NULL : converter->grey;
    case TELE_FORMAT_NV12: return is_array ? NULL : converter->nv12;
    default: return NULL;
  }
}

static void place_planes(const cuda_layout *layout, CUdeviceptr memory, cuda_conversion *job) {
  const uint64_t luma_bytes = (uint64_t)layout->pitch * layout->height;
  job->luma = memory;
  job->luma_pitch = layout->pitch;
  job->u = memory + luma_bytes;
  job->v = layout->is_nv12 ? job->u + 1 : job->u + luma_bytes / 4;
  job->chroma_pitch = layout->is_nv12 ? layout->pitch : layout->pitch / 2;
  job->chroma_step = layout->is_nv12 ? 2 : 1;
}

static uint32_t blocks(uint32_t threads, uint32_t of) { return (threads + of - 1) / of; }

int cuda_convert(const cuda_converter *converter, const cuda_source *source, const cuda_layout *layout,
                 CUdeviceptr memory, CUstream stream, CUtexObject *texture) {
  const cuda_device *gpu = converter->gpu;
  cuda_conversion job = {
      .width = layout->source_width, .height = layout->source_height, .bottom_up = source->bottom_up};
  CUfunction kernel = choose_kernel(converter, source, &job);
  if (kernel == NULL) {
    return error_set(EINVAL, "%s: cannot convert %s of format %u", gpu->name,
                     source->address == 0 ? "an array" : "a picture", source->format);
  }
  if (source->address == 0 && source->array == NULL) {
    return error_set(EINVAL, "%s: a picture has an address or an array, and this one has neither", gpu->name);
  }
  int result = source->address != 0 ? plan_planes(gpu, source, &job) : plan_array(gpu, source, &job, texture);
  if (result < 0) return result;
  place_planes(layout, memory, &job);
  void *parameters[] = {&job};
  CUresult launched = gpu->library->launch(kernel, blocks(layout->width / 2, CUDA_BLOCK_WIDTH),
                                           blocks(layout->height / 2, CUDA_BLOCK_HEIGHT), 1, CUDA_BLOCK_WIDTH,
                                           CUDA_BLOCK_HEIGHT, 1, 0, stream, parameters, NULL);
  return cuda_check(gpu, "cuLaunchKernel", launched);
}
