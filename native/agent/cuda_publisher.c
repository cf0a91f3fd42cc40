/*
 * tele_cuda_*: pictures in the GPU's memory into a ring. The caller's thread queues work on the GPU, and one of our own
 * waits for it, encodes and publishes.
 *
 * The queue between them. Limit: CUDA_PICTURES_IN_FLIGHT_MAX, which is what the GPU may write while one is encoded.
 * Policy at the limit: the newest is skipped, so that no simulation waits for its viewers. Counter: frames_skipped.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cuda_pictures.h"
#include "error.h"
#include "publisher.h"
#include "segment_file.h"

struct tele_cuda {
  publisher publisher;
  cuda_pictures *pictures;
  uint32_t width, height;
  unsigned generation;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  /* Guarded by the mutex, down to the end. */
  tele_frame frames[CUDA_PICTURES_IN_FLIGHT_MAX + 1]; /* what is known of them before they are encoded */
  uint64_t begun, ended;                              /* pictures */
  bool closing;
  int failure; /* 0, or the negative errno that ended it */
  error_text failure_text;
  tele_cuda_status status;
};

/* ---- The thread ----------------------------------------------------------------------------------- */

static void show_encoder(tele_cuda *cuda) {
  pthread_mutex_lock(&cuda->mutex);
  cuda->status.encoder = agent_encoder_kind(cuda->publisher.encoder);
  cuda->status.on_gpu = agent_encoder_is_on_gpu(cuda->publisher.encoder);
  snprintf(cuda->status.encoder_name, sizeof cuda->status.encoder_name, "%s",
           agent_encoder_name(cuda->publisher.encoder));
  snprintf(cuda->status.note, sizeof cuda->status.note, "%s", agent_encoder_note(cuda->publisher.encoder));
  pthread_mutex_unlock(&cuda->mutex);
}

static int encode_next(tele_cuda *cuda, tele_frame *frame) {
  encoder_picture picture;
  const int result = cuda_pictures_take(cuda->pictures, &picture);
  return result < 0 ? result : publisher_encode(&cuda->publisher, &picture, frame);
}

/* With the mutex. */
static void encode_oldest(tele_cuda *cuda) {
  tele_frame *frame = &cuda->frames[cuda->ended % (CUDA_PICTURES_IN_FLIGHT_MAX + 1)];
  pthread_mutex_unlock(&cuda->mutex);
  int result = encode_next(cuda, frame);
  if (result == 0) show_encoder(cuda);
  pthread_mutex_lock(&cuda->mutex);
  cuda->status.frames_published = tele_producer_frames(cuda->publisher.producer);
  cuda->ended++;
  if (result < 0) {
    cuda->failure = result;
    cuda->failure_text = error_save();
  }
  pthread_cond_broadcast(&cuda->changed);
}

static void *encode_all(void *argument) {
  tele_cuda *cuda = argument;
  pthread_mutex_lock(&cuda->mutex);
  while (cuda->failure == 0 && (!cuda->closing || cuda->begun != cuda->ended)) {
    if (cuda->begun != cuda->ended) {
      encode_oldest(cuda);
    } else {
      pthread_cond_wait(&cuda->changed, &cuda->mutex);
    }
  }
  pthread_mutex_unlock(&cuda->mutex);
  return NULL;
}

/* ---- Opening and closing ------------------------------------------------------------------------ */

static int check_options(const char *run_id, const tele_cuda_options *options) {
  if (options->width - 1 < 16384 && options->height - 1 < 16384 && options->encoder <= TELE_ENCODER_OPENH264) return 0;
  return error_set(EINVAL, "cannot open run \"%s\": %u x %u by encoder %u; expected 1 to 16384 pixels and 0 to %d",
                   run_id, options->width, options->height, options->encoder, (int)TELE_ENCODER_OPENH264);
}

static agent_encoder_settings settings_of(const tele_cuda_options *options) {
  agent_encoder_settings settings = {.width = options->width,
                                     .height = options->height,
                                     .fps_mhz = options->fps_mhz,
                                     .bitrate_kbps = options->bitrate_kbps,
                                     .gop_ms = options->gop_ms,
                                     .kind = options->encoder,
                                     .cuda_device = options->device + 1};
  publisher_complete(&settings);
  return settings;
}

/* The run comes last: it begins to exist when its pictures come. */
static int open_parts(tele_cuda *cuda, const char *run_id, const tele_cuda_options *options) {
  const agent_encoder_settings settings = settings_of(options);
  cuda_device device;
  int result = cuda_device_find((int)options->device, &device);
  if (result == 0) result = agent_encoder_open(&settings, &cuda->publisher.encoder);
  if (result == 0) {
    result = cuda_pictures_open((int)options->device, options->width, options->height,
                                !agent_encoder_is_on_gpu(cuda->publisher.encoder), &cuda->pictures);
  }
  if (result < 0) return result;
  show_encoder(cuda);
  result = publisher_open_run(&cuda->publisher, run_id, &settings);
  if (result < 0) return result;
  const int code = pthread_create(&cuda->thread, NULL, encode_all, cuda);
  return code == 0 ? 0 : error_set(code, "cannot open run \"%s\": no thread: %s", run_id, strerror(code));
}

static void close_parts(tele_cuda *cuda) {
  publisher_close(&cuda->publisher);
  cuda_pictures_close(cuda->pictures);
  pthread_cond_destroy(&cuda->changed);
  pthread_mutex_destroy(&cuda->mutex);
  free(cuda);
}

int tele_cuda_open(const char *run_id, const tele_cuda_options *options, tele_cuda **made) {
  *made = NULL;
  int result = check_options(run_id, options);
  if (result < 0) return result;
  tele_cuda *cuda = calloc(1, sizeof *cuda);
  if (cuda == NULL) return error_set(ENOMEM, "cannot open run \"%s\": no memory", run_id);
  pthread_mutex_init(&cuda->mutex, NULL);
  pthread_cond_init(&cuda->changed, NULL);
  cuda->generation = fork_generation();
  cuda->width = options->width;
  cuda->height = options->height;
  result = open_parts(cuda, run_id, options);
  if (result < 0) {
    const error_text failure = error_save();
    close_parts(cuda);
    error_restore(&failure);
    return result;
  }
  *made = cuda;
  return 0;
}

void tele_cuda_close(tele_cuda *cuda) {
  if (cuda == NULL) return;
  if (cuda->generation != fork_generation()) {
    /* The thread, and all that the driver knows, stayed with the parent. */
    tele_producer_close(cuda->publisher.producer);
    free(cuda);
    return;
  }
  pthread_mutex_lock(&cuda->mutex);
  cuda->closing = true;
  pthread_cond_broadcast(&cuda->changed);
  pthread_mutex_unlock(&cuda->mutex);
  pthread_join(cuda->thread, NULL);
  close_parts(cuda);
}

/* ---- Publishing ----------------------------------------------------------------------------------- */

static int check_owner(const tele_cuda *cuda) {
  if (cuda->generation == fork_generation()) return 0;
  return error_set(ECHILD, "cannot publish: this process is a fork of the one that opened the run");
}

/* With the mutex: what ended it, for whoever asks. */
static int tell_failure(const tele_cuda *cuda) {
  if (cuda->failure != 0) error_restore(&cuda->failure_text);
  return cuda->failure;
}

static int begin(tele_cuda *cuda, const tele_cuda_frame *frame) {
  const cuda_source source = {.format = frame->format,
                              .address = frame->address,
                              .chroma = frame->chroma,
                              .pitch = frame->pitch,
                              .array = (CUarray)(uintptr_t)frame->array,
                              .bottom_up = frame->bottom_up != 0};
  return cuda_pictures_begin(cuda->pictures, &source, (CUstream)(uintptr_t)frame->stream);
}

int tele_cuda_publish(tele_cuda *cuda, const tele_cuda_frame *frame) {
  int result = check_owner(cuda);
  if (result < 0) return result;
  const uint64_t t_mono_ns = frame->t_mono_ns != 0 ? frame->t_mono_ns : clock_mono_ns();
  pthread_mutex_lock(&cuda->mutex);
  result = tell_failure(cuda);
  const bool is_full = cuda->begun - cuda->ended == CUDA_PICTURES_IN_FLIGHT_MAX;
  if (result == 0 && is_full) cuda->status.frames_skipped++;
  pthread_mutex_unlock(&cuda->mutex);
  if (result < 0 || is_full) return result;
  result = begin(cuda, frame);
  if (result < 0) return result;
  pthread_mutex_lock(&cuda->mutex);
  cuda->frames[cuda->begun % (CUDA_PICTURES_IN_FLIGHT_MAX + 1)] = (tele_frame){.step = frame->step,
                                                                               .episode = frame->episode,
                                                                               .reward = frame->reward,
                                                                               .t_mono_ns = t_mono_ns,
                                                                               .width = cuda->width,
                                                                               .height = cuda->height,
                                                                               .format = TELE_FORMAT_H264};
  cuda->begun++;
  pthread_cond_broadcast(&cuda->changed);
  pthread_mutex_unlock(&cuda->mutex);
  return 1;
}

int tele_cuda_flush(tele_cuda *cuda) {
  int result = check_owner(cuda);
  if (result < 0) return result;
  pthread_mutex_lock(&cuda->mutex);
  while (cuda->failure == 0 && cuda->begun != cuda->ended) pthread_cond_wait(&cuda->changed, &cuda->mutex);
  result = tell_failure(cuda);
  pthread_mutex_unlock(&cuda->mutex);
  return result;
}

tele_producer *tele_cuda_producer(tele_cuda *cuda) { return cuda->publisher.producer; }

int tele_cuda_status_get(tele_cuda *cuda, tele_cuda_status *status) {
  pthread_mutex_lock(&cuda->mutex);
  *status = cuda->status;
  pthread_mutex_unlock(&cuda->mutex);
  return 0;
}
