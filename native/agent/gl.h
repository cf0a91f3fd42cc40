/*
 * OpenGL 3.3 or OpenGL ES 3.0, found at run time through EGL: what both have in common, as far as we use it. Our own
 * declarations: the library must build where no GL headers are installed.
 */
#ifndef AGENT_GL_H
#define AGENT_GL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "egl.h"

enum {
  GL_NO_ERROR = 0,
  GL_OUT_OF_MEMORY = 0x0505,
  GL_CONTEXT_LOST = 0x0507,
  GL_TRIANGLES = 4,
  GL_DEPTH_BUFFER_BIT = 0x100,
  GL_COLOR_BUFFER_BIT = 0x4000,
  GL_FRONT = 0x0404,
  GL_BACK = 0x0405,
  GL_FRONT_AND_BACK = 0x0408,
  GL_CW = 0x0900,
  GL_POLYGON_MODE = 0x0B40,
  GL_CULL_FACE = 0x0B44,
  GL_DEPTH_TEST = 0x0B71,
  GL_STENCIL_TEST = 0x0B90,
  GL_VIEWPORT = 0x0BA2,
  GL_BLEND = 0x0BE2,
  GL_COLOR_LOGIC_OP = 0x0BF2,
  GL_SCISSOR_TEST = 0x0C11,
  GL_COLOR_WRITEMASK = 0x0C23,
  GL_PACK_ROW_LENGTH = 0x0D02,
  GL_PACK_SKIP_ROWS = 0x0D03,
  GL_PACK_SKIP_PIXELS = 0x0D04,
  GL_PACK_ALIGNMENT = 0x0D05,
  GL_TEXTURE_2D = 0x0DE1,
  GL_TEXTURE_WIDTH = 0x1000,
  GL_TEXTURE_HEIGHT = 0x1001,
  GL_UNSIGNED_BYTE = 0x1401,
  GL_FLOAT = 0x1406,
  GL_FILL = 0x1B02,
  GL_CLIP_DISTANCE0 = 0x3000,
  GL_RGBA = 0x1908,
  GL_RENDERER = 0x1F01,
  GL_VERSION = 0x1F02,
  GL_NEAREST = 0x2600,
  GL_TEXTURE_MAG_FILTER = 0x2800,
  GL_TEXTURE_MIN_FILTER = 0x2801,
  GL_RGBA8 = 0x8058,
  GL_TEXTURE_BINDING_2D = 0x8069,
  GL_DEPTH_COMPONENT24 = 0x81A6,
  GL_TEXTURE0 = 0x84C0,
  GL_ACTIVE_TEXTURE = 0x84E0,
  GL_VERTEX_ARRAY_BINDING = 0x85B5,
  GL_ARRAY_BUFFER = 0x8892,
  GL_ARRAY_BUFFER_BINDING = 0x8894,
  GL_STREAM_READ = 0x88E1,
  GL_STATIC_DRAW = 0x88E4,
  GL_DYNAMIC_DRAW = 0x88E8,
  GL_PIXEL_PACK_BUFFER = 0x88EB,
  GL_PIXEL_UNPACK_BUFFER = 0x88EC,
  GL_PIXEL_PACK_BUFFER_BINDING = 0x88ED,
  GL_PIXEL_UNPACK_BUFFER_BINDING = 0x88EF,
  GL_SAMPLER_BINDING = 0x8919,
  GL_FRAGMENT_SHADER = 0x8B30,
  GL_VERTEX_SHADER = 0x8B31,
  GL_COMPILE_STATUS = 0x8B81,
  GL_LINK_STATUS = 0x8B82,
  GL_CURRENT_PROGRAM = 0x8B8D,
  GL_RASTERIZER_DISCARD = 0x8C89,
  GL_READ_FRAMEBUFFER = 0x8CA8,
  GL_DRAW_FRAMEBUFFER = 0x8CA9,
  GL_DRAW_FRAMEBUFFER_BINDING = 0x8CA6,
  GL_READ_FRAMEBUFFER_BINDING = 0x8CAA,
  GL_FRAMEBUFFER_COMPLETE = 0x8CD5,
  GL_COLOR_ATTACHMENT0 = 0x8CE0,
  GL_DEPTH_ATTACHMENT = 0x8D00,
  GL_FRAMEBUFFER = 0x8D40,
  GL_RENDERBUFFER = 0x8D41,
  GL_FRAMEBUFFER_SRGB = 0x8DB9,
  GL_TEXTURE_SRGB_DECODE_EXT = 0x8A48,
  GL_SKIP_DECODE_EXT = 0x8A4A,
  GL_SYNC_GPU_COMMANDS_COMPLETE = 0x9117,
  GL_TIMEOUT_EXPIRED = 0x911B,
  GL_WAIT_FAILED = 0x911D,
  GL_MAP_READ_BIT = 1,
  GL_SYNC_FLUSH_COMMANDS_BIT = 1,
};

typedef struct gl_sync_object *gl_sync;

/* Result, name, parameters: the members of struct gl, and what is asked of eglGetProcAddress. */
#define GL_FUNCTIONS(X)                                                                                              \
  X(const uint8_t *, GetString, (unsigned name))                                                                     \
  X(unsigned, GetError, (void))                                                                                      \
  X(void, GetIntegerv, (unsigned name, int *values))                                                                 \
  X(void, GetBooleanv, (unsigned name, uint8_t *values))                                                             \
  X(uint8_t, IsEnabled, (unsigned capability))                                                                       \
  X(void, Enable, (unsigned capability))                                                                             \
  X(void, Disable, (unsigned capability))                                                                            \
  X(void, Scissor, (int x, int y, int width, int height))                                                            \
  X(void, FrontFace, (unsigned direction))                                                                           \
  X(void, Viewport, (int x, int y, int width, int height))                                                           \
  X(void, ColorMask, (uint8_t red, uint8_t green, uint8_t blue, uint8_t alpha))                                      \
  X(void, ClearColor, (float red, float green, float blue, float alpha))                                             \
  X(void, Clear, (unsigned buffers))                                                                                 \
  X(void, Flush, (void))                                                                                             \
  X(void, PixelStorei, (unsigned name, int value))                                                                   \
  X(void, ReadPixels, (int x, int y, int width, int height, unsigned format, unsigned type, void *pixels))           \
  X(void, GenTextures, (int count, unsigned *names))                                                                 \
  X(void, DeleteTextures, (int count, const unsigned *names))                                                        \
  X(uint8_t, IsTexture, (unsigned name))                                                                             \
  X(void, ActiveTexture, (unsigned unit))                                                                            \
  X(void, BindTexture, (unsigned target, unsigned name))                                                             \
  X(void, TexParameteri, (unsigned target, unsigned name, int value))                                                \
  X(void, TexImage2D,                                                                                                \
    (unsigned target, int level, int internal, int width, int height, int border, unsigned format, unsigned type,    \
     const void *pixels))                                                                                            \
  X(void, GenSamplers, (int count, unsigned *names))                                                                 \
  X(void, DeleteSamplers, (int count, const unsigned *names))                                                        \
  X(void, BindSampler, (unsigned unit, unsigned name))                                                               \
  X(void, SamplerParameteri, (unsigned sampler, unsigned name, int value))                                           \
  X(void, GenFramebuffers, (int count, unsigned *names))                                                             \
  X(void, DeleteFramebuffers, (int count, const unsigned *names))                                                    \
  X(void, BindFramebuffer, (unsigned target, unsigned name))                                                         \
  X(unsigned, CheckFramebufferStatus, (unsigned target))                                                             \
  X(void, FramebufferTexture2D,                                                                                      \
    (unsigned target, unsigned attachment, unsigned texture_target, unsigned texture, int level))                    \
  X(void, BlitFramebuffer,                                                                                           \
    (int x0, int y0, int x1, int y1, int to_x0, int to_y0, int to_x1, int to_y1, unsigned buffers, unsigned filter)) \
  X(void, GenRenderbuffers, (int count, unsigned *names))                                                            \
  X(void, DeleteRenderbuffers, (int count, const unsigned *names))                                                   \
  X(void, BindRenderbuffer, (unsigned target, unsigned name))                                                        \
  X(void, RenderbufferStorage, (unsigned target, unsigned format, int width, int height))                            \
  X(void, FramebufferRenderbuffer, (unsigned target, unsigned attachment, unsigned buffer_target, unsigned name))    \
  X(void, GenBuffers, (int count, unsigned *names))                                                                  \
  X(void, DeleteBuffers, (int count, const unsigned *names))                                                         \
  X(void, BindBuffer, (unsigned target, unsigned name))                                                              \
  X(void, BufferData, (unsigned target, intptr_t bytes, const void *values, unsigned usage))                         \
  X(void *, MapBufferRange, (unsigned target, intptr_t offset, intptr_t bytes, unsigned access))                     \
  X(uint8_t, UnmapBuffer, (unsigned target))                                                                         \
  X(void, GenVertexArrays, (int count, unsigned *names))                                                             \
  X(void, DeleteVertexArrays, (int count, const unsigned *names))                                                    \
  X(void, BindVertexArray, (unsigned name))                                                                          \
  X(void, EnableVertexAttribArray, (unsigned place))                                                                 \
  X(void, VertexAttribPointer,                                                                                       \
    (unsigned place, int count, unsigned type, uint8_t normalized, int stride, const void *offset))                  \
  X(void, DrawArrays, (unsigned mode, int first, int count))                                                         \
  X(unsigned, CreateShader, (unsigned type))                                                                         \
  X(void, DeleteShader, (unsigned name))                                                                             \
  X(void, ShaderSource, (unsigned name, int count, const char *const *texts, const int *lengths))                    \
  X(void, CompileShader, (unsigned name))                                                                            \
  X(void, GetShaderiv, (unsigned name, unsigned what, int *value))                                                   \
  X(void, GetShaderInfoLog, (unsigned name, int room, int *length, char *log))                                       \
  X(unsigned, CreateProgram, (void))                                                                                 \
  X(void, DeleteProgram, (unsigned name))                                                                            \
  X(void, AttachShader, (unsigned program, unsigned shader))                                                         \
  X(void, LinkProgram, (unsigned name))                                                                              \
  X(void, GetProgramiv, (unsigned name, unsigned what, int *value))                                                  \
  X(void, GetProgramInfoLog, (unsigned name, int room, int *length, char *log))                                      \
  X(void, UseProgram, (unsigned name))                                                                               \
  X(int, GetUniformLocation, (unsigned program, const char *name))                                                   \
  X(void, Uniform1i, (int place, int value))                                                                         \
  X(void, Uniform4i, (int place, int x, int y, int z, int w))                                                        \
  X(void, Uniform4f, (int place, float x, float y, float z, float w))                                                \
  X(void, Uniform4fv, (int place, int count, const float *values))                                                   \
  X(void, Uniform4uiv, (int place, int count, const uint32_t *values))                                               \
  X(void, UniformMatrix4fv, (int place, int count, uint8_t transpose, const float *values))                          \
  X(gl_sync, FenceSync, (unsigned condition, unsigned flags))                                                        \
  X(unsigned, ClientWaitSync, (gl_sync sync, unsigned flags, uint64_t timeout_ns))                                   \
  X(void, DeleteSync, (gl_sync sync))

typedef struct gl {
#define GL_MEMBER(result, name, parameters) result(*name) parameters;
  GL_FUNCTIONS(GL_MEMBER)
#undef GL_MEMBER
  /* NULL where they are not to be had: how a lost context tells; the size of a texture; OpenGL's alone; what is set for
   * each draw buffer (OpenGL, and OpenGL ES from 3.2 on) and each viewport (OpenGL from 4.1 on). */
  unsigned (*GetGraphicsResetStatus)(void);
  void (*GetTexLevelParameteriv)(unsigned target, int level, unsigned name, int *value);
  void (*PolygonMode)(unsigned face, unsigned mode);
  void (*Enablei)(unsigned capability, unsigned index);
  void (*Disablei)(unsigned capability, unsigned index);
  void (*ColorMaski)(unsigned index, uint8_t red, uint8_t green, uint8_t blue, uint8_t alpha);
  void (*GetFloati_v)(unsigned name, unsigned index, float *values);
  void (*ViewportArrayv)(unsigned first, int count, const float *values);
  bool is_es;
  bool is_software;   /* llvmpipe, softpipe or swrast draws */
  char renderer[128]; /* GL_RENDERER */
} gl;

/* Finds the functions of the current context: OpenGL 3.3 or later, or OpenGL ES 3.0 or later. -ENOTCONN without a
 * current context, -ENOTSUP for an older one. */
int gl_load(const egl *egl, gl *gl);

/* Reports what GL refused since the last call: 0; -ENODEV when the context is lost, -ENOMEM, else -EIO. `doing` ends
 * "cannot ...": "draw a picture". */
int gl_check(const gl *gl, const char *doing);

/* A program of both shaders, whose sources begin behind the version line, which is written here. 0 on failure. */
int gl_program(const gl *gl, const char *vertex, const char *fragment, unsigned *made);

/* Three vertices that cover the viewport, without any attribute: with glDrawArrays(GL_TRIANGLES, 0, 3). */
extern const char gl_cover_vertex_shader[];

/* Checks the framebuffer bound for drawing. */
int gl_check_framebuffer(const gl *gl, const char *what);

#endif
