/* libcuda.so.1: OpenGL's textures as arrays. What is in them is read from the real texture of the OpenGL context that
 * is current, whoever's that is. */
#include <dlfcn.h>
#include <stdlib.h>

#include "cuda_internals.h"

enum {
  GL_TEXTURE_2D = 0x0DE1,
  GL_TEXTURE_BINDING_2D = 0x8069,
  GL_TEXTURE_WIDTH = 0x1000,
  GL_TEXTURE_HEIGHT = 0x1001,
  GL_RGBA = 0x1908,
  GL_UNSIGNED_BYTE = 0x1401,
  GL_PACK_ALIGNMENT = 0x0D05,
};

typedef struct graphics {
  object object;
  unsigned texture;
  void *gl_context;
  array *array; /* while it is mapped */
} graphics;

typedef struct gl {
  void *(*current_context)(void);
  void *(*get_proc)(const char *name);
} gl;

tcuGLGetDevices_v2 cuGLGetDevices_v2;
tcuGraphicsGLRegisterImage cuGraphicsGLRegisterImage;
tcuGraphicsUnregisterResource cuGraphicsUnregisterResource;
tcuGraphicsMapResources cuGraphicsMapResources;
tcuGraphicsUnmapResources cuGraphicsUnmapResources;
tcuGraphicsSubResourceGetMappedArray cuGraphicsSubResourceGetMappedArray;

static int mapped_count;

int nvenc_double_count_mapped(void) { return mapped_count; }

/* EGL, if the process has it; its current context is NULL otherwise. */
static void *current_gl(gl *gl) {
  void *egl = dlopen("libEGL.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (egl == NULL) return NULL;
  *(void **)&gl->current_context = dlsym(egl, "eglGetCurrentContext");
  *(void **)&gl->get_proc = dlsym(egl, "eglGetProcAddress");
  return gl->current_context();
}

CUresult cuGLGetDevices_v2(unsigned *count, CUdevice *devices, unsigned devices_max, CUGLDeviceList list) {
  gl gl;
  if (list != CU_GL_DEVICE_LIST_ALL || devices_max < 1) VIOLATION("cuGLGetDevices: list %d", (int)list);
  FAIL_AS_TOLD("cuGLGetDevices");
  if (current_gl(&gl) == NULL) return (CUresult)INVALID_GRAPHICS_CONTEXT;
  const char *told = getenv("NVENC_DOUBLE_GL");
  *count = 1;
  devices[0] = told != NULL ? atoi(told) : 0;
  return CUDA_SUCCESS;
}

CUresult cuGraphicsGLRegisterImage(CUgraphicsResource *made, GLuint image, GLenum target, unsigned flags) {
  gl gl;
  demand_context("cuGraphicsGLRegisterImage");
  if (target != GL_TEXTURE_2D) VIOLATION("cuGraphicsGLRegisterImage: the target is 0x%x", target);
  if (flags != CU_GRAPHICS_REGISTER_FLAGS_READ_ONLY) VIOLATION("cuGraphicsGLRegisterImage: flags are %u", flags);
  FAIL_AS_TOLD("cuGraphicsGLRegisterImage");
  void *context = current_gl(&gl);
  if (context == NULL) return (CUresult)INVALID_GRAPHICS_CONTEXT;
  graphics *graphics = new_object("cuGraphicsGLRegisterImage", OBJECT_GRAPHICS, sizeof *graphics);
  graphics->texture = image;
  graphics->gl_context = context;
  *made = (CUgraphicsResource)graphics;
  return CUDA_SUCCESS;
}

CUresult cuGraphicsUnregisterResource(CUgraphicsResource handle) {
  graphics *found = find_object("cuGraphicsUnregisterResource", OBJECT_GRAPHICS, handle);
  gl gl;
  if (found->array != NULL) VIOLATION("cuGraphicsUnregisterResource: it is mapped");
  if (current_gl(&gl) != found->gl_context) {
    VIOLATION("cuGraphicsUnregisterResource: its OpenGL context is not current");
  }
  end_object(&found->object);
  return CUDA_SUCCESS;
}

static array *read_texture(const graphics *graphics) {
  gl gl;
  if (current_gl(&gl) != graphics->gl_context) VIOLATION("cuGraphicsMapResources: its OpenGL context is not current");
  void (*get_integer)(unsigned, int *) = gl.get_proc("glGetIntegerv");
  void (*bind)(unsigned, unsigned) = gl.get_proc("glBindTexture");
  void (*level)(unsigned, int, unsigned, int *) = gl.get_proc("glGetTexLevelParameteriv");
  void (*get_image)(unsigned, int, unsigned, unsigned, void *) = gl.get_proc("glGetTexImage");
  int bound = 0, width = 0, height = 0;
  get_integer(GL_TEXTURE_BINDING_2D, &bound);
  bind(GL_TEXTURE_2D, graphics->texture);
  level(GL_TEXTURE_2D, 0, GL_TEXTURE_WIDTH, &width);
  level(GL_TEXTURE_2D, 0, GL_TEXTURE_HEIGHT, &height);
  array *made = new_array("cuGraphicsMapResources", (uint32_t)width, (uint32_t)height, 4);
  get_image(GL_TEXTURE_2D, 0, GL_RGBA, GL_UNSIGNED_BYTE, made->bytes);
  bind(GL_TEXTURE_2D, (unsigned)bound);
  return made;
}

CUresult cuGraphicsMapResources(unsigned count, CUgraphicsResource *handles, CUstream handle) {
  if (count != 1) VIOLATION("cuGraphicsMapResources: the double maps one at a time");
  graphics *found = find_object("cuGraphicsMapResources", OBJECT_GRAPHICS, handles[0]);
  if (found->array != NULL) VIOLATION("cuGraphicsMapResources: it is mapped already");
  find_stream("cuGraphicsMapResources", handle);
  FAIL_AS_TOLD("cuGraphicsMapResources");
  found->array = read_texture(found);
  mapped_count++;
  return CUDA_SUCCESS;
}

CUresult cuGraphicsUnmapResources(unsigned count, CUgraphicsResource *handles, CUstream handle) {
  if (count != 1) VIOLATION("cuGraphicsUnmapResources: the double maps one at a time");
  graphics *found = find_object("cuGraphicsUnmapResources", OBJECT_GRAPHICS, handles[0]);
  if (found->array == NULL) VIOLATION("cuGraphicsUnmapResources: it is not mapped");
  /* Before OpenGL goes on, what this stream has to do is done. Another stream's work would be too late. */
  stream *stream = find_stream("cuGraphicsUnmapResources", handle);
  run_stream(stream, stream->queued);
  free_array(found->array);
  found->array = NULL;
  mapped_count--;
  /* It fails after it took effect, as on a lost GPU. */
  FAIL_AS_TOLD("cuGraphicsUnmapResources");
  return CUDA_SUCCESS;
}

CUresult cuGraphicsSubResourceGetMappedArray(CUarray *array, CUgraphicsResource handle, unsigned index,
                                             unsigned level) {
  const graphics *found = find_object("cuGraphicsSubResourceGetMappedArray", OBJECT_GRAPHICS, handle);
  if (found->array == NULL) VIOLATION("cuGraphicsSubResourceGetMappedArray: it is not mapped");
  if (index != 0 || level != 0) VIOLATION("cuGraphicsSubResourceGetMappedArray: index %u, level %u", index, level);
  FAIL_AS_TOLD("cuGraphicsSubResourceGetMappedArray");
  *array = (CUarray)found->array;
  return CUDA_SUCCESS;
}
