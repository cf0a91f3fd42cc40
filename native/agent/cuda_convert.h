/* The kernels of cuda_kernels.cu, loaded and launched; all calls within the device's context. */
#ifndef AGENT_CUDA_CONVERT_H
#define AGENT_CUDA_CONVERT_H

#include "cuda_pictures.h"

typedef struct cuda_converter {
  const cuda_device *gpu;
  CUmodule module;
  CUfunction rgb, texture, grey, nv12;
} cuda_converter;

/* How a converted picture lies in one piece of memory. */
typedef struct cuda_layout {
  uint32_t source_width, source_height;
  uint32_t width, height; /* even */
  uint32_t pitch;         /* of luma, and of NV12's chroma */
  bool is_nv12;           /* else I420, without padding, so that one copy takes it all */
  size_t bytes;
} cuda_layout;

cuda_layout cuda_layout_of(uint32_t width, uint32_t height, bool to_memory);

/* For I420 by its copy in memory, for NV12 by its address. */
encoder_picture cuda_layout_picture(const cuda_layout *layout, CUdeviceptr memory, const uint8_t *copy);

/* -EIO where the driver does not take the kernels. */
int cuda_converter_open(const cuda_device *gpu, cuda_converter *converter);
void cuda_converter_close(cuda_converter *converter);

/* Launches the conversion into `memory`. *texture: what is to be destroyed once it ran, 0 for nothing. */
int cuda_convert(const cuda_converter *converter, const cuda_source *source, const cuda_layout *layout,
                 CUdeviceptr memory, CUstream stream, CUtexObject *texture);

#endif
