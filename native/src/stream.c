/* What other threads call of a stream. */
#include "stream.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define OUTPUTS_ALL (TELE_OUTPUT_H264 | TELE_OUTPUT_JPEG)
/* Until it is measured. */
#define RATE_DEFAULT_MHZ 30000u

static int check_settings(const tele_stream_settings *settings) {
  if ((settings->outputs & ~OUTPUTS_ALL) != 0) {
    return error_set(EINVAL, "a stream's outputs are %u, expected bits of %u", settings->outputs, OUTPUTS_ALL);
  }
  if (settings->encoder > TELE_ENCODER_OPENH264) {
    return error_set(EINVAL, "a stream's encoder is %u, expected %u to %u", settings->encoder, TELE_ENCODER_AUTO,
                     TELE_ENCODER_OPENH264);
  }
  if (settings->jpeg_quality > 100) {
    return error_set(EINVAL, "a stream's JPEG quality is %u, expected 0 to 100", settings->jpeg_quality);
  }
  return 0;
}

/* The caller's signals stay the caller's. SIGBUS is ours, and comes to the thread that causes it only if that thread
 * lets it in. */
static int start_thread(tele_stream *stream) {
  sigset_t blocked, before;
  sigfillset(&blocked);
  sigdelset(&blocked, SIGBUS);
  sigdelset(&blocked, SIGSEGV);
  sigdelset(&blocked, SIGFPE);
  sigdelset(&blocked, SIGILL);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  int code = pthread_create(&stream->thread, NULL, stream_run, stream);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (code != 0)
    return error_set(code, "cannot start the stream of run \"%s\": %s", stream->reader->run_id, strerror(code));
  pthread_setname_np(stream->thread, "tele-stream");
  return 0;
}

/* All but the thread and the source. */
static void free_stream(tele_stream *stream) {
  tele_hub_destroy(stream->own_hub);
  for (int i = 0; i < OUTPUTS_COUNT; i++) {
    output_close_encoder(&stream->outputs[i]);
    packet_queue_free(&stream->outputs[i].queue);
  }
  converter_close(stream->converter);
  decoder_close(stream->decoder);
  free(stream->overlay);
  free(stream->copy.bytes);
  pthread_mutex_destroy(&stream->mutex);
  free(stream);
}

int tele_stream_open(tele_hub *hub, uint64_t stream_id, tele_reader *reader, tele_controller *controller,
                     const tele_stream_settings *settings, tele_stream **stream) {
  int result = check_settings(settings);
  if (result < 0) return result;
  tele_stream *made = calloc(1, sizeof *made);
  if (made == NULL) return error_set(ENOMEM, "cannot open a stream of run \"%s\": no memory", reader->run_id);
  made->hub = hub;
  made->reader = reader;
  made->controller = controller;
  made->settings = *settings;
  made->rate_mhz = RATE_DEFAULT_MHZ;
  made->outputs[OUTPUT_H264].bit = TELE_OUTPUT_H264;
  made->outputs[OUTPUT_JPEG].bit = TELE_OUTPUT_JPEG;
  pthread_mutex_init(&made->mutex, NULL);
  result = tele_hub_create(&made->own_hub);
  if (result == 0) result = tele_hub_add(made->own_hub, 0, reader, controller);
  bool added = result == 0;
  if (added) result = hub_source_add(hub, &made->source, stream_id);
  bool known = added && result == 0;
  if (known) result = start_thread(made);
  if (result < 0) {
    if (known) hub_source_remove(hub, &made->source);
    free_stream(made);
    return result;
  }
  *stream = made;
  return 0;
}

int tele_stream_set(tele_stream *stream, const tele_stream_settings *settings) {
  int result = check_settings(settings);
  if (result < 0) return result;
  pthread_mutex_lock(&stream->mutex);
  bool same = memcmp(&stream->settings, settings, sizeof *settings) == 0;
  stream->settings = *settings;
  pthread_mutex_unlock(&stream->mutex);
  return same ? 0 : tele_hub_wake(stream->own_hub);
}

int tele_stream_request_keyframe(tele_stream *stream, uint32_t outputs) {
  pthread_mutex_lock(&stream->mutex);
  stream->keyframes_asked |= outputs & OUTPUTS_ALL;
  pthread_mutex_unlock(&stream->mutex);
  return tele_hub_wake(stream->own_hub);
}

/* The output whose oldest packet is the oldest of all; NULL when there is none. With the mutex held. */
static stream_output *output_with_oldest(tele_stream *stream) {
  stream_output *found = NULL;
  uint64_t order = 0;
  for (int i = 0; i < OUTPUTS_COUNT; i++) {
    const packet *oldest = packet_queue_oldest(&stream->outputs[i].queue);
    if (oldest == NULL || (found != NULL && oldest->order > order)) continue;
    found = &stream->outputs[i];
    order = oldest->order;
  }
  return found;
}

int tele_stream_take(tele_stream *stream, void *buffer, uint64_t buffer_bytes, uint64_t *bytes_out) {
  bool waited_for = false;
  int result = 0;
  pthread_mutex_lock(&stream->mutex);
  stream_output *output = output_with_oldest(stream);
  if (output != NULL) {
    const packet *packet = packet_queue_oldest(&output->queue);
    *bytes_out = packet->bytes_count;
    if (packet->bytes_count > buffer_bytes) {
      result =
          error_set(ENOBUFS, "a packet of run \"%s\" needs a buffer of %llu bytes, this one has %llu",
                    stream->reader->run_id, (unsigned long long)packet->bytes_count, (unsigned long long)buffer_bytes);
    } else {
      memcpy(buffer, packet->bytes, packet->bytes_count);
      output->queue.taken++;
      waited_for = stream->short_of_room;
      stream->short_of_room = false;
      result = 1;
    }
  }
  pthread_mutex_unlock(&stream->mutex);
  if (waited_for) tele_hub_wake(stream->own_hub);
  return result;
}

int tele_stream_status_get(tele_stream *stream, tele_stream_status *status) {
  pthread_mutex_lock(&stream->mutex);
  *status = stream->status;
  pthread_mutex_unlock(&stream->mutex);
  return 0;
}

void tele_stream_close(tele_stream *stream) {
  if (stream == NULL) return;
  pthread_mutex_lock(&stream->mutex);
  stream->stopping = true;
  pthread_mutex_unlock(&stream->mutex);
  tele_hub_wake(stream->own_hub);
  pthread_join(stream->thread, NULL);
  hub_source_remove(stream->hub, &stream->source);
  free_stream(stream);
}
