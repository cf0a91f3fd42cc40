#include "cuda_gl.h"

#include <errno.h>
#include <stdlib.h>

#include "error.h"
#include "gl.h"

/* Whoever draws into more textures in turn pays for a registration each time. */
#define TEXTURES 4

typedef struct registered {
  unsigned texture; /* 0 = none */
  CUgraphicsResource resource;
} registered;

struct cuda_gl {
  cuda_pictures *pictures;
  const cuda_device *gpu; /* theirs */
  CUstream stream;
  registered textures[TEXTURES];
  unsigned turn;
};

int cuda_gl_device(void) {
  const cuda_library *cuda;
  unsigned count = 0;
  CUdevice device = 0;
  int result = cuda_library_get(&cuda);
  if (result < 0) return result;
  CUresult found = cuda->gl_devices(&count, &device, 1, CU_GL_DEVICE_LIST_ALL);
  if (found == CUDA_SUCCESS && count > 0) return device;
  return error_set(ENODEV, "OpenGL draws on none of CUDA's devices: cuGLGetDevices: %s", cuda_error_name(cuda, found));
}

/* ---- Opening and closing ----------------------------------------------------------------------- */

static void forget(const cuda_gl *gl, registered *registered) {
  if (registered->texture != 0) gl->gpu->library->graphics_unregister(registered->resource);
  registered->texture = 0;
}

void cuda_gl_close(cuda_gl *gl, bool is_current) {
  if (gl == NULL) return;
  if (gl->pictures != NULL && cuda_device_enter(gl->gpu) == 0) {
    for (int i = 0; is_current && i < TEXTURES; i++) forget(gl, &gl->textures[i]);
    if (gl->stream != NULL) gl->gpu->library->stream_destroy(gl->stream);
    cuda_device_leave(gl->gpu);
  }
  cuda_pictures_close(gl->pictures);
  free(gl);
}

static int open_stream(cuda_gl *gl) {
  int result = cuda_device_enter(gl->gpu);
  if (result < 0) return result;
  CUresult created = gl->gpu->library->stream_create(&gl->stream, CU_STREAM_NON_BLOCKING);
  result = cuda_check(gl->gpu, "cuStreamCreate", created);
  cuda_device_leave(gl->gpu);
  return result;
}

int cuda_gl_open(int ordinal, uint32_t width, uint32_t height, bool to_memory, cuda_gl **made) {
  *made = NULL;
  cuda_gl *gl = calloc(1, sizeof *gl);
  if (gl == NULL) return error_set(ENOMEM, "cannot share pictures with CUDA: no memory");
  int result = cuda_pictures_open(ordinal, width, height, to_memory, &gl->pictures);
  if (result == 0) {
    gl->gpu = cuda_pictures_device(gl->pictures);
    result = open_stream(gl);
  }
  if (result < 0) {
    const error_text failure = error_save();
    cuda_gl_close(gl, true);
    error_restore(&failure);
    return result;
  }
  *made = gl;
  return 0;
}

/* ---- Pictures ------------------------------------------------------------------------------------ */

static int find_registered(cuda_gl *gl, unsigned texture, registered **found) {
  for (int i = 0; i < TEXTURES; i++) {
    *found = &gl->textures[i];
    if ((*found)->texture == texture) return 0;
  }
  *found = &gl->textures[gl->turn++ % TEXTURES];
  forget(gl, *found);
  CUresult made = gl->gpu->library->gl_register_image(&(*found)->resource, texture, GL_TEXTURE_2D,
                                                      CU_GRAPHICS_REGISTER_FLAGS_READ_ONLY);
  int result = cuda_check(gl->gpu, "cuGraphicsGLRegisterImage", made);
  if (result == 0) (*found)->texture = texture;
  return result;
}

static int read_mapped(cuda_gl *gl, CUgraphicsResource resource, bool bottom_up) {
  cuda_source source = {.format = TELE_FORMAT_RGBA8, .bottom_up = bottom_up};
  CUresult found = gl->gpu->library->graphics_array(&source.array, resource, 0, 0);
  int result = cuda_check(gl->gpu, "cuGraphicsSubResourceGetMappedArray", found);
  return result == 0 ? cuda_pictures_begin_entered(gl->pictures, &source, gl->stream) : result;
}

static int begin_entered(cuda_gl *gl, unsigned texture, bool bottom_up) {
  const cuda_library *cuda = gl->gpu->library;
  registered *registered;
  int result = find_registered(gl, texture, &registered);
  if (result < 0) return result;
  result = cuda_check(gl->gpu, "cuGraphicsMapResources", cuda->graphics_map(1, &registered->resource, gl->stream));
  if (result < 0) return result;
  result = read_mapped(gl, registered->resource, bottom_up);
  /* Whatever came of it: a texture that stays mapped is lost to OpenGL. The first failure is the one to tell of. */
  CUresult unmapped = cuda->graphics_unmap(1, &registered->resource, gl->stream);
  return result < 0 ? result : cuda_check(gl->gpu, "cuGraphicsUnmapResources", unmapped);
}

int cuda_gl_begin(cuda_gl *gl, unsigned texture, bool bottom_up) {
  if (texture == 0) return error_set(EINVAL, "cannot read a texture: its name is 0");
  int result = cuda_device_enter(gl->gpu);
  if (result < 0) return result;
  result = begin_entered(gl, texture, bottom_up);
  cuda_device_leave(gl->gpu);
  return result;
}

int cuda_gl_take(cuda_gl *gl, encoder_picture *picture) { return cuda_pictures_take(gl->pictures, picture); }
