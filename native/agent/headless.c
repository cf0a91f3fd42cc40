#include "headless.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_gl.h"
#include "error.h"
#include "telebridge.h"

/* llvmpipe starts a thread for each core, by the environment or else by itself. Drawn in the calling thread a picture
 * costs less CPU in all, and ten agents on two cores have no cores to wait for (bench/native/agent_render.c). */
#define LLVMPIPE_THREADS "0"

#define WHAT_TO_INSTALL                                                                                        \
  "Install the GPU's driver with its graphics libraries (in a container: NVIDIA_DRIVER_CAPABILITIES=all), or " \
  "Mesa: apt-get install libegl1 libgl1-mesa-dri"

static egl_handle choose_config(const egl *egl, egl_handle display, int32_t renderable) {
  const int32_t attributes[] = {EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE, renderable, EGL_NONE};
  egl_handle config = NULL;
  int32_t count = 0;
  return egl->choose_config(display, attributes, &config, 1, &count) && count > 0 ? config : NULL;
}

/* OpenGL first: CUDA's interop is documented for it alone. With a notice of lost contexts where there can be one. */
static int make_context(headless *made, bool is_es) {
  const egl *egl = &made->egl;
  const char *extensions = egl->query_string(made->display, EGL_EXTENSIONS);
  bool is_robust = egl_has_extension(extensions, "EGL_EXT_create_context_robustness");
  bool is_surfaceless = egl_has_extension(extensions, "EGL_KHR_surfaceless_context");
  int32_t notification = is_es ? EGL_CONTEXT_RESET_NOTIFICATION_EXT : EGL_CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY;
  const int32_t attributes[] = {
      EGL_CONTEXT_MAJOR_VERSION,
      3,
      EGL_CONTEXT_MINOR_VERSION,
      is_es ? 0 : 3,
      is_robust ? notification : EGL_NONE,
      EGL_LOSE_CONTEXT_ON_RESET,
      EGL_NONE,
  };
  const int32_t one_pixel[] = {EGL_WIDTH, 1, EGL_HEIGHT, 1, EGL_NONE};
  if (!egl->bind_api(is_es ? EGL_OPENGL_ES_API : EGL_OPENGL_API)) return egl_failed(egl, "eglBindAPI");
  egl_handle config = choose_config(egl, made->display, is_es ? EGL_OPENGL_ES3_BIT : EGL_OPENGL_BIT);
  if (config == NULL) return egl_failed(egl, "eglChooseConfig");
  made->context = egl->create_context(made->display, config, NULL, attributes);
  if (made->context == NULL) return egl_failed(egl, "eglCreateContext");
  made->surface = is_surfaceless ? NULL : egl->create_pbuffer(made->display, config, one_pixel);
  if (!egl->make_current(made->display, made->surface, made->surface, made->context)) {
    return egl_failed(egl, "eglMakeCurrent");
  }
  int result = gl_load(egl, &made->gl);
  if (result < 0 || !is_robust) return result;
  const char *reset_status = is_es ? "glGetGraphicsResetStatusEXT" : "glGetGraphicsResetStatusARB";
  made->gl.GetGraphicsResetStatus = (unsigned (*)(void))egl->get_proc(reset_status);
  return 0;
}

/* What make_context() made, as far as it came. */
static void end_context(headless *headless) {
  const egl *egl = &headless->egl;
  egl->make_current(headless->display, NULL, NULL, NULL);
  if (headless->context != NULL) egl->destroy_context(headless->display, headless->context);
  if (headless->surface != NULL) egl->destroy_surface(headless->display, headless->surface);
  headless->context = headless->surface = NULL;
}

static int open_display(headless *made, unsigned platform, egl_handle device) {
  const egl *egl = &made->egl;
  if (egl->platform_display == NULL) return error_set(ENODEV, "%s has no eglGetPlatformDisplayEXT", EGL_LIBRARY);
  made->display = egl->platform_display(platform, device, NULL);
  if (made->display == NULL) return egl_failed(egl, "eglGetPlatformDisplayEXT");
  if (!egl->initialize(made->display, NULL, NULL)) return egl_failed(egl, "eglInitialize");
  int result = make_context(made, false);
  if (result == 0) return 0;
  end_context(made);
  result = make_context(made, true);
  if (result < 0) {
    end_context(made);
    egl->terminate(made->display);
  }
  return result;
}

static int open_device(headless *made, egl_handle device) {
  int result = open_display(made, EGL_PLATFORM_DEVICE_EXT, device);
  if (result < 0) return result;
  intptr_t cuda_device = -1;
  made->cuda_device = -1;
  if (made->gl.is_software) return 0;
  if (made->egl.device_attribute != NULL &&
      egl_has_extension(made->egl.device_string(device, EGL_EXTENSIONS), "EGL_NV_device_cuda") &&
      made->egl.device_attribute(device, EGL_CUDA_DEVICE_NV, &cuda_device)) {
    made->cuda_device = (int)cuda_device;
  } else {
    made->cuda_device = cuda_gl_device();
    if (made->cuda_device < 0) made->cuda_device = -1;
  }
  return 0;
}

static int open_numbered(headless *made, int gpu, const egl_handle *devices, int devices_count) {
  if (gpu >= devices_count) {
    return error_set(ENODEV, "cannot render on GPU %d: EGL lists %d, counted from 0 (telebridge doctor shows them)",
                     gpu, devices_count > 0 ? devices_count : 0);
  }
  int result = open_device(made, devices[gpu]);
  if (result == 0) return 0;
  const error_text failure = error_save();
  return error_set(-result, "cannot render on GPU %d: %.300s (telebridge doctor shows what renders)", gpu,
                   failure.text);
}

/* A context costs a software renderer some milliseconds, so the one that was passed over is made anew. */
static int open_any(headless *made, const egl_handle *devices, int devices_count) {
  int software = -1;
  for (int i = 0; i < devices_count; i++) {
    if (open_device(made, devices[i]) < 0) continue;
    if (!made->gl.is_software || i == devices_count - 1) return 0;
    if (software < 0) software = i;
    headless_close(made);
  }
  if (software >= 0) return open_device(made, devices[software]);
  made->cuda_device = -1;
  int result = open_display(made, EGL_PLATFORM_SURFACELESS_MESA, NULL);
  if (result == 0) return 0;
  const error_text failure = error_save();
  return error_set(
      -result, "cannot render: none of EGL's %d devices does, nor its surfaceless platform (%.150s). " WHAT_TO_INSTALL,
      devices_count > 0 ? devices_count : 0, failure.text);
}

static int load(egl *egl) {
  int result = egl_load(egl);
  if (result == 0) return 0;
  const error_text failure = error_save();
  return error_set(-result, "cannot render: %.200s. " WHAT_TO_INSTALL, failure.text);
}

int headless_open(int gpu, headless *made) {
  egl_handle devices[EGL_DEVICES_MAX];
  *made = (headless){.cuda_device = -1};
  setenv("LP_NUM_THREADS", LLVMPIPE_THREADS, 0); /* the user's own stays */
  int result = load(&made->egl);
  if (result < 0) return result;
  int devices_count = egl_devices(&made->egl, devices);
  return gpu >= 0 ? open_numbered(made, gpu, devices, devices_count) : open_any(made, devices, devices_count);
}

void headless_close(headless *headless) {
  end_context(headless);
  headless->egl.terminate(headless->display);
  headless->egl.release_thread();
}
