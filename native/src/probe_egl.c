/* EGL without a display, found at run time: which devices there are, and which of them really render. */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "error.h"
#include "json_text.h"
#include "telebridge.h"

#define LIBRARY "libEGL.so.1"
#define DEVICES_MAX 32

/* EGL 1.5, EGL_EXT_device_query, EGL_EXT_device_drm, EGL_EXT_platform_device and OpenGL 1.0, as far as they are needed:
 * the library must build where EGL's headers are not installed. */
enum {
  EGL_NONE = 0x3038,
  EGL_VENDOR = 0x3053,
  EGL_VERSION = 0x3054,
  EGL_EXTENSIONS = 0x3055,
  EGL_SURFACE_TYPE = 0x3033,
  EGL_PBUFFER_BIT = 1,
  EGL_RENDERABLE_TYPE = 0x3040,
  EGL_OPENGL_ES2_BIT = 4,
  EGL_OPENGL_BIT = 8,
  EGL_CONTEXT_MAJOR_VERSION = 0x3098,
  EGL_OPENGL_ES_API = 0x30A0,
  EGL_OPENGL_API = 0x30A2,
  EGL_DRM_DEVICE_FILE_EXT = 0x3233,
  EGL_PLATFORM_DEVICE_EXT = 0x313F,
  GL_RENDERER = 0x1F01,
};

typedef void *handle; /* EGLDisplay, EGLConfig, EGLContext, EGLDeviceEXT */
typedef void any_function(void);
typedef const uint8_t *gl_get_string(unsigned name);

typedef struct egl {
  any_function *(*get_proc)(const char *name);
  int32_t (*get_error)(void);
  unsigned (*initialize)(handle display, int32_t *major, int32_t *minor);
  unsigned (*terminate)(handle display);
  const char *(*query_string)(handle display, int32_t name);
  unsigned (*bind_api)(unsigned api);
  unsigned (*choose_config)(handle display, const int32_t *attributes, handle *configs, int32_t max, int32_t *count);
  handle (*create_context)(handle display, handle config, handle share, const int32_t *attributes);
  unsigned (*make_current)(handle display, handle draw, handle read, handle context);
  unsigned (*destroy_context)(handle display, handle context);
  /* Of extensions. */
  unsigned (*query_devices)(int32_t max, handle *devices, int32_t *count);
  const char *(*device_string)(handle device, int32_t name);
  handle (*platform_display)(unsigned platform, handle native, const int32_t *attributes);
} egl;

typedef struct wanted_symbol {
  const char *name;
  size_t offset;
} wanted_symbol;

static const wanted_symbol core_symbols[] = {
    {"eglGetProcAddress", offsetof(egl, get_proc)},    {"eglGetError", offsetof(egl, get_error)},
    {"eglInitialize", offsetof(egl, initialize)},      {"eglTerminate", offsetof(egl, terminate)},
    {"eglQueryString", offsetof(egl, query_string)},   {"eglBindAPI", offsetof(egl, bind_api)},
    {"eglChooseConfig", offsetof(egl, choose_config)}, {"eglCreateContext", offsetof(egl, create_context)},
    {"eglMakeCurrent", offsetof(egl, make_current)},   {"eglDestroyContext", offsetof(egl, destroy_context)},
};

static const wanted_symbol extension_symbols[] = {
    {"eglQueryDevicesEXT", offsetof(egl, query_devices)},
    {"eglQueryDeviceStringEXT", offsetof(egl, device_string)},
    {"eglGetPlatformDisplayEXT", offsetof(egl, platform_display)},
};

static int load(egl *egl) {
  void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return error_set(ENODEV, "%s", dlerror());
  for (size_t i = 0; i < sizeof core_symbols / sizeof core_symbols[0]; i++) {
    void *symbol = dlsym(library, core_symbols[i].name);
    if (symbol == NULL) return error_set(ENODEV, LIBRARY ": has no %s", core_symbols[i].name);
    *(void **)((char *)egl + core_symbols[i].offset) = symbol;
  }
  for (size_t i = 0; i < sizeof extension_symbols / sizeof extension_symbols[0]; i++) {
    any_function *symbol = egl->get_proc(extension_symbols[i].name);
    if (symbol == NULL) return error_set(ENODEV, LIBRARY ": has no %s", extension_symbols[i].name);
    *(any_function **)((char *)egl + extension_symbols[i].offset) = symbol;
  }
  return 0;
}

static int failed(const egl *egl, const char *call) {
  return error_set(ENODEV, "%s: 0x%04x", call, (unsigned)egl->get_error());
}

static bool has_extension(const char *extensions, const char *name) {
  size_t length = strlen(name);
  const char *found = extensions != NULL ? strstr(extensions, name) : NULL;
  for (; found != NULL; found = strstr(found + length, name)) {
    if ((found == extensions || found[-1] == ' ') && (found[length] == ' ' || found[length] == '\0')) return true;
  }
  return false;
}

/* Draws nothing: whoever names its renderer has one. */
static int name_renderer(const egl *egl, handle display, unsigned api, text *json) {
  const int32_t attributes[] = {EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE,
                                api == EGL_OPENGL_API ? EGL_OPENGL_BIT : EGL_OPENGL_ES2_BIT, EGL_NONE};
  const int32_t es2[] = {EGL_CONTEXT_MAJOR_VERSION, 2, EGL_NONE};
  handle config = NULL;
  int32_t configs_count = 0;
  if (!egl->bind_api(api)) return failed(egl, "eglBindAPI");
  if (!egl->choose_config(display, attributes, &config, 1, &configs_count)) return failed(egl, "eglChooseConfig");
  if (configs_count < 1) return error_set(ENODEV, "eglChooseConfig: no configuration");
  handle context = egl->create_context(display, config, NULL, api == EGL_OPENGL_ES_API ? es2 : NULL);
  if (context == NULL) return failed(egl, "eglCreateContext");
  int result = 0;
  if (!egl->make_current(display, NULL, NULL, context)) {
    result = failed(egl, "eglMakeCurrent");
  } else {
    gl_get_string *get_string = (gl_get_string *)egl->get_proc("glGetString");
    const char *renderer = get_string != NULL ? (const char *)get_string(GL_RENDERER) : NULL;
    text_append(json, ",\"api\":\"%s\",\"renderer\":", api == EGL_OPENGL_API ? "OpenGL" : "OpenGL ES");
    text_append_string(json, renderer != NULL ? renderer : "");
    egl->make_current(display, NULL, NULL, NULL);
  }
  egl->destroy_context(display, context);
  return result;
}

static void append_error(text *json) {
  text_append(json, ",\"error\":");
  text_append_string(json, tele_error_message());
}

static void append_device(const egl *egl, handle device, text *json) {
  const char *extensions = egl->device_string(device, EGL_EXTENSIONS);
  const char *drm =
      has_extension(extensions, "EGL_EXT_device_drm") ? egl->device_string(device, EGL_DRM_DEVICE_FILE_EXT) : NULL;
  text_append(json, "{\"drm\":");
  if (drm != NULL)
    text_append_string(json, drm);
  else
    text_append(json, "null");
  text_append(json, ",\"extensions\":");
  text_append_string(json, extensions != NULL ? extensions : "");
  int32_t major = 0, minor = 0;
  handle display = egl->platform_display(EGL_PLATFORM_DEVICE_EXT, device, NULL);
  if (display == NULL || !egl->initialize(display, &major, &minor)) {
    failed(egl, display == NULL ? "eglGetPlatformDisplayEXT" : "eglInitialize");
    append_error(json);
  } else {
    /* Each writes its members only when it has made a context. */
    if (name_renderer(egl, display, EGL_OPENGL_API, json) < 0 &&
        name_renderer(egl, display, EGL_OPENGL_ES_API, json) < 0) {
      append_error(json);
    } else {
      const char *vendor = egl->query_string(display, EGL_VENDOR);
      text_append(json, ",\"error\":null,\"egl\":\"%d.%d\",\"vendor\":", major, minor);
      text_append_string(json, vendor != NULL ? vendor : "");
    }
    egl->terminate(display);
  }
  text_append(json, "}");
}

int tele_probe_egl_json(char *buffer, size_t buffer_bytes) {
  egl egl;
  handle devices[DEVICES_MAX];
  int32_t devices_count = 0;
  int result = load(&egl);
  if (result < 0) return result;
  if (!egl.query_devices(DEVICES_MAX, devices, &devices_count)) return failed(&egl, "eglQueryDevicesEXT");
  text json = {.at = buffer, .bytes = buffer_bytes};
  text_append(&json, "{\"devices\":[");
  for (int32_t i = 0; i < devices_count; i++) {
    if (i > 0) text_append(&json, ",");
    append_device(&egl, devices[i], &json);
  }
  text_append(&json, "]}");
  return text_end(&json, "EGL's devices");
}
