/*
 * tele_gl_*: a user's OpenGL textures as H.264 into a ring. All of it on the thread of the user's context, which is
 * left as it was: no thread of ours, since a context has one thread at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "cuda_gl.h"
#include "error.h"
#include "gl_share.h"
#include "gl_state.h"
#include "publisher.h"
#include "readback.h"
#include "segment_file.h"

#define SIDE_MAX 16384u

struct tele_gl {
  egl egl;
  gl gl;
  egl_handle context; /* NULL: one that is not EGL's */
  tele_gl_options options;
  readback *readback; /* or the next, where the encoder reads the GPU's memory */
  gl_share *share;
  publisher publisher;
  unsigned generation;                       /* of the process that opened it */
  tele_frame frames[READBACK_IN_FLIGHT_MAX]; /* what is known of the pictures begun */
  uint64_t begun, ended;                     /* pictures */
};

static int check_options(const char *run_id, const tele_gl_options *options) {
  if (options->width - 1 < SIDE_MAX && options->height - 1 < SIDE_MAX && options->encoder <= TELE_ENCODER_OPENH264 &&
      options->conversion <= TELE_GL_BY_CPU) {
    return 0;
  }
  return error_set(EINVAL,
                   "cannot open run \"%s\": %u x %u by encoder %u and conversion %u; expected 1 to %u pixels, 0 to %d "
                   "and 0 to %d",
                   run_id, options->width, options->height, options->encoder, options->conversion, SIDE_MAX,
                   (int)TELE_ENCODER_OPENH264, (int)TELE_GL_BY_CPU);
}

static int open_readback(tele_gl *made) {
  const uint32_t conversion = made->options.conversion;
  bool by_shader = conversion == TELE_GL_AUTO ? !made->gl.is_software : conversion == TELE_GL_BY_SHADER;
  return readback_open(&made->gl, made->options.width, made->options.height, by_shader, &made->readback);
}

/* On the GPU where all of that can be; what fails there is no reason to have no pictures. */
static int open_encoder(tele_gl *made, agent_encoder_settings settings) {
  int cuda_device = made->options.conversion == TELE_GL_AUTO ? cuda_gl_device() : -1;
  if (cuda_device >= 0) settings.cuda_device = (uint32_t)cuda_device + 1;
  int result = agent_encoder_open(&settings, &made->publisher.encoder);
  if (result < 0 || !agent_encoder_is_on_gpu(made->publisher.encoder)) return result;
  if (gl_share_open(&made->gl, cuda_device, made->options.width, made->options.height, &made->share) == 0) return 0;
  agent_encoder_close(made->publisher.encoder);
  made->publisher.encoder = NULL;
  settings.cuda_device = 0;
  return agent_encoder_open(&settings, &made->publisher.encoder);
}

static int open_in_context(tele_gl *made, const agent_encoder_settings *settings) {
  gl_state users;
  gl_state_take(&made->gl, &users);
  int result = open_encoder(made, *settings);
  if (result == 0 && made->share == NULL) result = open_readback(made);
  gl_state_give_back(&users);
  return result;
}

/* The run comes last: it begins to exist when its pictures come. */
static int open_parts(tele_gl *made, const char *run_id) {
  agent_encoder_settings settings = {.width = made->options.width,
                                     .height = made->options.height,
                                     .fps_mhz = made->options.fps_mhz,
                                     .bitrate_kbps = made->options.bitrate_kbps,
                                     .gop_ms = made->options.gop_ms,
                                     .kind = made->options.encoder};
  publisher_complete(&settings);
  int result = egl_load(&made->egl);
  if (result == 0) result = gl_load(&made->egl, &made->gl);
  if (result < 0) return result;
  made->context = made->egl.get_current_context();
  result = open_in_context(made, &settings);
  return result < 0 ? result : publisher_open_run(&made->publisher, run_id, &settings);
}

int tele_gl_open(const char *run_id, const tele_gl_options *options, tele_gl **made) {
  *made = NULL;
  int result = check_options(run_id, options);
  if (result < 0) return result;
  tele_gl *self = calloc(1, sizeof *self);
  if (self == NULL) return error_set(ENOMEM, "cannot open run \"%s\": no memory", run_id);
  self->options = *options;
  self->generation = fork_generation();
  result = open_parts(self, run_id);
  if (result < 0) {
    const error_text failure = error_save();
    tele_gl_close(self);
    error_restore(&failure);
    return result;
  }
  *made = self;
  return 0;
}

static bool is_current(const tele_gl *gl) {
  return gl->egl.get_current_context() == gl->context && gl->gl.GetString(GL_VERSION) != NULL;
}

static int check_current(const tele_gl *gl) {
  if (gl->generation != fork_generation()) {
    return error_set(ECHILD, "cannot publish: this process is a fork of the one that opened the run");
  }
  if (is_current(gl)) return 0;
  return error_set(ENOTCONN, "cannot publish: the context that the run was opened in is not current on this thread");
}

/* Where GL tells sizes, which OpenGL ES 3.0 does not. With the user's texture as unit 0's. */
static int check_texture(const tele_gl *gl, uint32_t texture) {
  int width = 0, height = 0;
  if (!gl->gl.IsTexture(texture)) {
    return error_set(EINVAL, "cannot publish: %u is no texture of the current context", texture);
  }
  if (gl->gl.GetTexLevelParameteriv == NULL) return 0;
  gl->gl.BindTexture(GL_TEXTURE_2D, texture);
  gl->gl.GetTexLevelParameteriv(GL_TEXTURE_2D, 0, GL_TEXTURE_WIDTH, &width);
  gl->gl.GetTexLevelParameteriv(GL_TEXTURE_2D, 0, GL_TEXTURE_HEIGHT, &height);
  if (gl->gl.GetError() != GL_NO_ERROR) {
    return error_set(EINVAL, "cannot publish: texture %u is not a GL_TEXTURE_2D", texture);
  }
  if ((uint32_t)width == gl->options.width && (uint32_t)height == gl->options.height) return 0;
  return error_set(EINVAL, "cannot publish: texture %u has %d x %d pixels, the run was opened for %u x %u", texture,
                   width, height, gl->options.width, gl->options.height);
}

/* The oldest picture begun, with the state taken. */
static int end_oldest(tele_gl *gl) {
  tele_frame *frame = &gl->frames[gl->ended % READBACK_IN_FLIGHT_MAX];
  encoder_picture picture;
  int result = gl->share != NULL ? gl_share_take(gl->share, &picture) : readback_take(gl->readback, &picture);
  if (result < 0) return result;
  gl->ended++;
  return publisher_encode(&gl->publisher, &picture, frame);
}

static int begin(tele_gl *gl, const tele_gl_frame *frame) {
  int result = check_texture(gl, frame->texture);
  if (result < 0) return result;
  result = gl->share != NULL ? gl_share_begin(gl->share, frame->texture, frame->top_down == 0)
                             : readback_begin(gl->readback, frame->texture, frame->top_down == 0);
  if (result < 0) return result;
  const uint64_t now_ns = clock_mono_ns();
  gl->frames[gl->begun++ % READBACK_IN_FLIGHT_MAX] =
      (tele_frame){.step = frame->step,
                   .episode = frame->episode,
                   .reward = frame->reward,
                   .t_mono_ns = frame->t_mono_ns != 0 ? frame->t_mono_ns : now_ns,
                   .width = gl->options.width,
                   .height = gl->options.height,
                   .format = TELE_FORMAT_H264};
  return 0;
}

/* Until no more are begun than these. */
static int end_all_but(tele_gl *gl, uint64_t kept) {
  int result = 0;
  while (result == 0 && gl->begun - gl->ended > kept) result = end_oldest(gl);
  return result;
}

int tele_gl_publish(tele_gl *gl, const tele_gl_frame *frame) {
  gl_state users;
  int result = check_current(gl);
  if (result < 0) return result;
  gl_state_take(&gl->gl, &users);
  /* Where a call failed to end one, there is room only once that is done. */
  result = end_all_but(gl, READBACK_IN_FLIGHT_MAX - 1);
  if (result == 0) result = begin(gl, frame);
  if (result == 0) result = end_all_but(gl, gl->options.pipelined != 0 ? 1 : 0);
  gl_state_give_back(&users);
  return result;
}

int tele_gl_flush(tele_gl *gl) {
  gl_state users;
  int result = check_current(gl);
  if (result < 0) return result;
  gl_state_take(&gl->gl, &users);
  result = end_all_but(gl, 0);
  gl_state_give_back(&users);
  return result;
}

tele_producer *tele_gl_producer(tele_gl *gl) { return gl->publisher.producer; }

int tele_gl_status_get(const tele_gl *gl, tele_gl_status *status) {
  *status = (tele_gl_status){.frames_published = tele_producer_frames(gl->publisher.producer),
                             .encoder = agent_encoder_kind(gl->publisher.encoder),
                             .is_software = gl->gl.is_software,
                             .on_gpu = agent_encoder_is_on_gpu(gl->publisher.encoder)};
  snprintf(status->encoder_name, sizeof status->encoder_name, "%s", agent_encoder_name(gl->publisher.encoder));
  snprintf(status->note, sizeof status->note, "%s", agent_encoder_note(gl->publisher.encoder));
  snprintf(status->renderer, sizeof status->renderer, "%s", gl->gl.renderer);
  return 0;
}

static void close_in_context(tele_gl *gl) {
  gl_state users;
  gl_state_take(&gl->gl, &users);
  if (gl->publisher.producer != NULL) end_all_but(gl, 0);
  publisher_close(&gl->publisher); /* before the memory that its encoder reads */
  gl_share_close(gl->share, true);
  readback_close(gl->readback);
  gl_state_give_back(&users);
}

void tele_gl_close(tele_gl *gl) {
  if (gl == NULL) return;
  if (gl->generation != fork_generation()) {
    /* The context, the encoder's threads, and all that drivers know stayed with the parent. */
    tele_producer_close(gl->publisher.producer);
    free(gl);
    return;
  }
  if ((gl->readback != NULL || gl->share != NULL) && is_current(gl)) {
    close_in_context(gl);
  } else {
    publisher_close(&gl->publisher);
    gl_share_close(gl->share, false);
    readback_abandon(gl->readback);
  }
  free(gl);
}
