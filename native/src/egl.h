/*
 * EGL, found at run time, and as much of EGL 1.5, EGL_EXT_device_query, EGL_EXT_device_drm, EGL_NV_device_cuda,
 * EGL_EXT_platform_device, EGL_MESA_platform_surfaceless and EGL_EXT_create_context_robustness as we use: the library
 * must build where EGL's headers are not installed (Debian's would bring those of X11 along).
 */
#ifndef TELE_EGL_H
#define TELE_EGL_H

#include <stdbool.h>
#include <stdint.h>

enum {
  EGL_NONE = 0x3038,
  EGL_VENDOR = 0x3053,
  EGL_VERSION = 0x3054,
  EGL_EXTENSIONS = 0x3055,
  EGL_HEIGHT = 0x3056,
  EGL_WIDTH = 0x3057,
  EGL_SURFACE_TYPE = 0x3033,
  EGL_PBUFFER_BIT = 1,
  EGL_RENDERABLE_TYPE = 0x3040,
  EGL_OPENGL_ES2_BIT = 4,
  EGL_OPENGL_BIT = 8,
  EGL_OPENGL_ES3_BIT = 0x40,
  EGL_CONTEXT_MAJOR_VERSION = 0x3098,
  EGL_CONTEXT_MINOR_VERSION = 0x30FB,
  EGL_OPENGL_ES_API = 0x30A0,
  EGL_OPENGL_API = 0x30A2,
  EGL_CONTEXT_RESET_NOTIFICATION_EXT = 0x3138, /* of OpenGL ES */
  EGL_CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY = 0x31BD,
  EGL_LOSE_CONTEXT_ON_RESET = 0x31BF,
  EGL_DRM_DEVICE_FILE_EXT = 0x3233,
  EGL_CUDA_DEVICE_NV = 0x323A,
  EGL_PLATFORM_DEVICE_EXT = 0x313F,
  EGL_PLATFORM_SURFACELESS_MESA = 0x31DD,
};

#define EGL_LIBRARY "libEGL.so.1"
#define EGL_DEVICES_MAX 32

typedef void *egl_handle; /* EGLDisplay, EGLConfig, EGLContext, EGLSurface, EGLDeviceEXT */
typedef void egl_function(void);

typedef struct egl {
  egl_function *(*get_proc)(const char *name);
  int32_t (*get_error)(void);
  unsigned (*initialize)(egl_handle display, int32_t *major, int32_t *minor);
  unsigned (*terminate)(egl_handle display);
  const char *(*query_string)(egl_handle display, int32_t name);
  unsigned (*bind_api)(unsigned api);
  unsigned (*choose_config)(egl_handle display, const int32_t *attributes, egl_handle *configs, int32_t max,
                            int32_t *count);
  egl_handle (*create_context)(egl_handle display, egl_handle config, egl_handle share, const int32_t *attributes);
  egl_handle (*create_pbuffer)(egl_handle display, egl_handle config, const int32_t *attributes);
  unsigned (*make_current)(egl_handle display, egl_handle draw, egl_handle read, egl_handle context);
  unsigned (*destroy_context)(egl_handle display, egl_handle context);
  unsigned (*destroy_surface)(egl_handle display, egl_handle surface);
  unsigned (*release_thread)(void);
  egl_handle (*get_current_context)(void);
  /* Of extensions: NULL where there is none. */
  unsigned (*query_devices)(int32_t max, egl_handle *devices, int32_t *count);
  const char *(*device_string)(egl_handle device, int32_t name);
  unsigned (*device_attribute)(egl_handle device, int32_t name, intptr_t *value);
  egl_handle (*platform_display)(unsigned platform, void *native, const int32_t *attributes);
} egl;

/* Loads the library, which stays loaded: drivers do not survive being unloaded. -ENODEV where there is
 * none. Any thread. */
int egl_load(egl *egl);

/* -ENODEV for the call that failed, with EGL's own reason. */
int egl_failed(const egl *egl, const char *call);

/* Whether a list of names with blanks between them holds this one; NULL is an empty list. */
bool egl_has_extension(const char *extensions, const char *name);

/* The devices that can render without a display, in the order that `telebridge doctor` shows; -ENODEV without the
 * extension that lists them. Returns how many. */
int egl_devices(const egl *egl, egl_handle devices[EGL_DEVICES_MAX]);

#endif
