#include "gl_share.h"

#include <errno.h>
#include <stdlib.h>

#include "cuda_gl.h"
#include "error.h"

struct gl_share {
  const gl *gl;
  int width, height;
  unsigned copy, copy_framebuffer, source_framebuffer;
  cuda_gl *cuda;
};

static int open_copy(gl_share *made) {
  const gl *gl = made->gl;
  gl->GenTextures(1, &made->copy);
  gl->BindTexture(GL_TEXTURE_2D, made->copy);
  gl->TexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, made->width, made->height, 0, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
  gl->TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST); /* or it would lack mipmaps */
  gl->TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
  gl->GenFramebuffers(1, &made->source_framebuffer);
  gl->GenFramebuffers(1, &made->copy_framebuffer);
  gl->BindFramebuffer(GL_DRAW_FRAMEBUFFER, made->copy_framebuffer);
  gl->FramebufferTexture2D(GL_DRAW_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, made->copy, 0);
  int result = gl_check_framebuffer(gl, "a texture for the GPU's encoder");
  return result < 0 ? result : gl_check(gl, "make a texture for the GPU's encoder");
}

int gl_share_open(const gl *gl, int cuda_device, uint32_t width, uint32_t height, gl_share **made) {
  gl_share *self = calloc(1, sizeof *self);
  encoder_picture picture;
  if (self == NULL) return error_set(ENOMEM, "cannot share pictures with CUDA: no memory");
  *self = (gl_share){.gl = gl, .width = (int)width, .height = (int)height};
  int result = open_copy(self);
  if (result == 0) result = cuda_gl_open(cuda_device, width, height, false, &self->cuda);
  if (result == 0) result = cuda_gl_begin(self->cuda, self->copy, false);
  if (result == 0) result = cuda_gl_take(self->cuda, &picture);
  if (result < 0) {
    const error_text failure = error_save();
    gl_share_close(self, true);
    error_restore(&failure);
    return result;
  }
  *made = self;
  return 0;
}

static int copy_texture(gl_share *share, unsigned texture) {
  const gl *gl = share->gl;
  gl->BindFramebuffer(GL_DRAW_FRAMEBUFFER, share->copy_framebuffer);
  gl->BindFramebuffer(GL_READ_FRAMEBUFFER, share->source_framebuffer);
  gl->FramebufferTexture2D(GL_READ_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
  gl->BlitFramebuffer(0, 0, share->width, share->height, 0, 0, share->width, share->height, GL_COLOR_BUFFER_BIT,
                      GL_NEAREST);
  gl->FramebufferTexture2D(GL_READ_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, 0, 0);
  return gl_check(gl, "copy a texture for the GPU's encoder");
}

int gl_share_begin(gl_share *share, unsigned texture, bool bottom_up) {
  int result = copy_texture(share, texture);
  return result < 0 ? result : cuda_gl_begin(share->cuda, share->copy, bottom_up);
}

int gl_share_take(gl_share *share, encoder_picture *picture) { return cuda_gl_take(share->cuda, picture); }

void gl_share_close(gl_share *share, bool is_current) {
  if (share == NULL) return;
  cuda_gl_close(share->cuda, is_current);
  if (is_current) {
    share->gl->DeleteFramebuffers(1, &share->copy_framebuffer);
    share->gl->DeleteFramebuffers(1, &share->source_framebuffer);
    share->gl->DeleteTextures(1, &share->copy);
  }
  free(share);
}
