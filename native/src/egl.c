#include "egl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "error.h"

typedef struct wanted_symbol {
  const char *name;
  size_t offset;
} wanted_symbol;

static const wanted_symbol core_symbols[] = {
    {"eglGetProcAddress", offsetof(egl, get_proc)},
    {"eglGetError", offsetof(egl, get_error)},
    {"eglInitialize", offsetof(egl, initialize)},
    {"eglTerminate", offsetof(egl, terminate)},
    {"eglQueryString", offsetof(egl, query_string)},
    {"eglBindAPI", offsetof(egl, bind_api)},
    {"eglChooseConfig", offsetof(egl, choose_config)},
    {"eglCreateContext", offsetof(egl, create_context)},
    {"eglCreatePbufferSurface", offsetof(egl, create_pbuffer)},
    {"eglMakeCurrent", offsetof(egl, make_current)},
    {"eglDestroyContext", offsetof(egl, destroy_context)},
    {"eglDestroySurface", offsetof(egl, destroy_surface)},
    {"eglReleaseThread", offsetof(egl, release_thread)},
    {"eglGetCurrentContext", offsetof(egl, get_current_context)},
};

static const wanted_symbol extension_symbols[] = {
    {"eglQueryDevicesEXT", offsetof(egl, query_devices)},
    {"eglQueryDeviceStringEXT", offsetof(egl, device_string)},
    {"eglQueryDeviceAttribEXT", offsetof(egl, device_attribute)},
    {"eglGetPlatformDisplayEXT", offsetof(egl, platform_display)},
};

int egl_load(egl *egl) {
  void *library = dlopen(EGL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return error_set(ENODEV, "%s", dlerror());
  for (size_t i = 0; i < sizeof core_symbols / sizeof core_symbols[0]; i++) {
    void *symbol = dlsym(library, core_symbols[i].name);
    if (symbol == NULL) return error_set(ENODEV, EGL_LIBRARY ": has no %s", core_symbols[i].name);
    *(void **)((char *)egl + core_symbols[i].offset) = symbol;
  }
  for (size_t i = 0; i < sizeof extension_symbols / sizeof extension_symbols[0]; i++) {
    *(egl_function **)((char *)egl + extension_symbols[i].offset) = egl->get_proc(extension_symbols[i].name);
  }
  return 0;
}

int egl_failed(const egl *egl, const char *call) {
  return error_set(ENODEV, "%s: 0x%04x", call, (unsigned)egl->get_error());
}

bool egl_has_extension(const char *extensions, const char *name) {
  size_t length = strlen(name);
  const char *found = extensions != NULL ? strstr(extensions, name) : NULL;
  for (; found != NULL; found = strstr(found + length, name)) {
    if ((found == extensions || found[-1] == ' ') && (found[length] == ' ' || found[length] == '\0')) return true;
  }
  return false;
}

int egl_devices(const egl *egl, egl_handle devices[EGL_DEVICES_MAX]) {
  int32_t devices_count = 0;
  if (egl->query_devices == NULL || egl->device_string == NULL || egl->platform_display == NULL) {
    return error_set(ENODEV, EGL_LIBRARY ": cannot list devices (EGL_EXT_device_enumeration, EGL_EXT_platform_device)");
  }
  if (!egl->query_devices(EGL_DEVICES_MAX, devices, &devices_count)) return egl_failed(egl, "eglQueryDevicesEXT");
  return devices_count;
}
