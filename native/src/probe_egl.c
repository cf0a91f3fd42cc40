/* EGL without a display, found at run time: which devices there are, and which of them really render. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "egl.h"
#include "error.h"
#include "json_text.h"
#include "telebridge.h"

enum { GL_RENDERER = 0x1F01 };
typedef const uint8_t *gl_get_string(unsigned name);

/* Draws nothing: whoever names its renderer has one. */
static int name_renderer(const egl *egl, egl_handle display, unsigned api, text *json) {
  const int32_t attributes[] = {EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE,
                                api == EGL_OPENGL_API ? EGL_OPENGL_BIT : EGL_OPENGL_ES2_BIT, EGL_NONE};
  const int32_t es2[] = {EGL_CONTEXT_MAJOR_VERSION, 2, EGL_NONE};
  egl_handle config = NULL;
  int32_t configs_count = 0;
  if (!egl->bind_api(api)) return egl_failed(egl, "eglBindAPI");
  if (!egl->choose_config(display, attributes, &config, 1, &configs_count)) return egl_failed(egl, "eglChooseConfig");
  if (configs_count < 1) return error_set(ENODEV, "eglChooseConfig: no configuration");
  egl_handle context = egl->create_context(display, config, NULL, api == EGL_OPENGL_ES_API ? es2 : NULL);
  if (context == NULL) return egl_failed(egl, "eglCreateContext");
  int result = 0;
  if (!egl->make_current(display, NULL, NULL, context)) {
    result = egl_failed(egl, "eglMakeCurrent");
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

static void append_device(const egl *egl, egl_handle device, text *json) {
  const char *extensions = egl->device_string(device, EGL_EXTENSIONS);
  const char *drm =
      egl_has_extension(extensions, "EGL_EXT_device_drm") ? egl->device_string(device, EGL_DRM_DEVICE_FILE_EXT) : NULL;
  text_append(json, "{\"drm\":");
  if (drm != NULL)
    text_append_string(json, drm);
  else
    text_append(json, "null");
  text_append(json, ",\"extensions\":");
  text_append_string(json, extensions != NULL ? extensions : "");
  int32_t major = 0, minor = 0;
  egl_handle display = egl->platform_display(EGL_PLATFORM_DEVICE_EXT, device, NULL);
  if (display == NULL || !egl->initialize(display, &major, &minor)) {
    egl_failed(egl, display == NULL ? "eglGetPlatformDisplayEXT" : "eglInitialize");
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
  egl_handle devices[EGL_DEVICES_MAX];
  int result = egl_load(&egl);
  if (result < 0) return result;
  int devices_count = egl_devices(&egl, devices);
  if (devices_count < 0) return devices_count;
  text json = {.at = buffer, .bytes = buffer_bytes};
  text_append(&json, "{\"devices\":[");
  for (int i = 0; i < devices_count; i++) {
    if (i > 0) text_append(&json, ",");
    append_device(&egl, devices[i], &json);
  }
  text_append(&json, "]}");
  return text_end(&json, "EGL's devices");
}
