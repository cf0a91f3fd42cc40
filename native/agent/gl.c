#include "gl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

typedef struct wanted_function {
  const char *name;
  size_t offset;
} wanted_function;

static const wanted_function functions[] = {
#define GL_ROW(result, name, parameters) {"gl" #name, offsetof(gl, name)},
    GL_FUNCTIONS(GL_ROW)
#undef GL_ROW
};

/* What draws with the CPU: Mesa's three, and what stands in for a missing driver elsewhere. */
static const char *const software_renderers[] = {"llvmpipe", "softpipe", "swrast", "Software Rasterizer",
                                                 "SwiftShader"};

static bool is_software(const char *renderer) {
  for (size_t i = 0; i < sizeof software_renderers / sizeof software_renderers[0]; i++) {
    if (strstr(renderer, software_renderers[i]) != NULL) return true;
  }
  return false;
}

/* eglGetProcAddress() may give functions of versions that the context has not. */
static void load_newer(const egl *egl, int version, gl *gl) {
  if (!gl->is_es || version >= 31) {
    gl->GetTexLevelParameteriv = (void (*)(unsigned, int, unsigned, int *))egl->get_proc("glGetTexLevelParameteriv");
  }
  if (!gl->is_es) gl->PolygonMode = (void (*)(unsigned, unsigned))egl->get_proc("glPolygonMode");
  if (!gl->is_es || version >= 32) {
    gl->Enablei = (void (*)(unsigned, unsigned))egl->get_proc("glEnablei");
    gl->Disablei = (void (*)(unsigned, unsigned))egl->get_proc("glDisablei");
    gl->ColorMaski = (void (*)(unsigned, uint8_t, uint8_t, uint8_t, uint8_t))egl->get_proc("glColorMaski");
  }
  if (!gl->is_es && version >= 41) {
    gl->GetFloati_v = (void (*)(unsigned, unsigned, float *))egl->get_proc("glGetFloati_v");
    gl->ViewportArrayv = (void (*)(unsigned, int, const float *))egl->get_proc("glViewportArrayv");
  }
}

int gl_load(const egl *egl, gl *gl) {
  *gl = (struct gl){.is_es = false};
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    egl_function *function = egl->get_proc(functions[i].name);
    if (function == NULL) return error_set(ENOTSUP, "cannot use OpenGL: it has no %s", functions[i].name);
    *(egl_function **)((char *)gl + functions[i].offset) = function;
  }
  const char *version = (const char *)gl->GetString(GL_VERSION);
  if (version == NULL) return error_set(ENOTCONN, "cannot use OpenGL: no context is current on this thread");
  int major = 0, minor = 0;
  gl->is_es = sscanf(version, "OpenGL ES %d.%d", &major, &minor) == 2;
  if (!gl->is_es) sscanf(version, "%d.%d", &major, &minor);
  if (gl->is_es ? major < 3 : major * 10 + minor < 33) {
    return error_set(ENOTSUP, "cannot use OpenGL: the context is \"%s\", 3.3 or ES 3.0 is needed", version);
  }
  load_newer(egl, major * 10 + minor, gl);
  const char *renderer = (const char *)gl->GetString(GL_RENDERER);
  snprintf(gl->renderer, sizeof gl->renderer, "%s", renderer != NULL ? renderer : "an unknown renderer");
  gl->is_software = is_software(gl->renderer);
  return 0;
}

int gl_check(const gl *gl, const char *doing) {
  unsigned first = gl->GetError();
  if (first == GL_NO_ERROR && (gl->GetGraphicsResetStatus == NULL || gl->GetGraphicsResetStatus() == GL_NO_ERROR)) {
    return 0;
  }
  if (first == GL_NO_ERROR || first == GL_CONTEXT_LOST) {
    return error_set(ENODEV, "cannot %s: the context on %s is lost: the GPU was reset", doing, gl->renderer);
  }
  /* There may be one for each part of the driver; a lost context may give this one for ever. */
  for (int more = 0; more < 8 && gl->GetError() != GL_NO_ERROR; more++) continue;
  if (first == GL_OUT_OF_MEMORY) return error_set(ENOMEM, "cannot %s: %s has no memory left", doing, gl->renderer);
  return error_set(EIO, "cannot %s: OpenGL error 0x%04x from %s", doing, first, gl->renderer);
}

const char gl_cover_vertex_shader[] =
    "void main() { gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0); }";

/* 0 with an error text. */
static unsigned compile(const gl *gl, unsigned type, const char *source) {
  static const char version[] = "#version 330 core\n";
  static const char version_es[] = "#version 300 es\nprecision highp float;\nprecision highp int;\n";
  const char *texts[] = {gl->is_es ? version_es : version, source};
  unsigned shader = gl->CreateShader(type);
  int compiled = 0;
  gl->ShaderSource(shader, 2, texts, NULL);
  gl->CompileShader(shader);
  gl->GetShaderiv(shader, GL_COMPILE_STATUS, &compiled);
  if (compiled) return shader;
  char log[300] = "";
  gl->GetShaderInfoLog(shader, sizeof log, NULL, log);
  error_set(EIO, "cannot compile a shader on %s: %s", gl->renderer, log);
  gl->DeleteShader(shader);
  return 0;
}

int gl_program(const gl *gl, const char *vertex, const char *fragment, unsigned *made) {
  unsigned vertex_shader = compile(gl, GL_VERTEX_SHADER, vertex);
  unsigned fragment_shader = vertex_shader != 0 ? compile(gl, GL_FRAGMENT_SHADER, fragment) : 0;
  int linked = 0;
  if (fragment_shader != 0) {
    unsigned program = gl->CreateProgram();
    gl->AttachShader(program, vertex_shader);
    gl->AttachShader(program, fragment_shader);
    gl->LinkProgram(program);
    gl->GetProgramiv(program, GL_LINK_STATUS, &linked);
    if (linked) {
      *made = program;
    } else {
      char log[300] = "";
      gl->GetProgramInfoLog(program, sizeof log, NULL, log);
      error_set(EIO, "cannot link a shader program on %s: %s", gl->renderer, log);
      gl->DeleteProgram(program);
    }
  }
  gl->DeleteShader(vertex_shader); /* 0 is fine; a program keeps its own */
  gl->DeleteShader(fragment_shader);
  return linked ? 0 : -EIO;
}

int gl_check_framebuffer(const gl *gl, const char *what) {
  unsigned status = gl->CheckFramebufferStatus(GL_DRAW_FRAMEBUFFER);
  if (status == GL_FRAMEBUFFER_COMPLETE) return 0;
  return error_set(EIO, "%s cannot be used as a framebuffer on %s: 0x%04x", what, gl->renderer, status);
}
