/* The thread's loop: it looks at the run, takes a turn, tells the hub what came of it, and waits. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stream.h"

/* An output that nobody wants for so long gives its encoder back. */
#define IDLE_NS (5 * NS_PER_S)
/* With nothing to wait for, the run is looked at again after this, for a size that can be encoded. */
#define LOOK_MS (1000u * INTERVAL_SCALE)
#define EVENTS_MAX 8u

void turn_arm(turn *turn, uint64_t after, uint64_t not_before_ns) {
  turn->after = turn->armed && turn->after < after ? turn->after : after;
  turn->not_before_ns = turn->armed && turn->not_before_ns < not_before_ns ? turn->not_before_ns : not_before_ns;
  turn->armed = true;
}

void turn_wake_at(turn *turn, uint64_t when_ns) {
  if (turn->wake_ns == 0 || when_ns < turn->wake_ns) turn->wake_ns = when_ns;
}

void stream_fault(tele_stream *stream, int result) {
  stream->faulted = true;
  hub_source_post(stream->hub, &stream->source, TELE_HUB_FAULT, 0, (uint32_t)-result);
}

/* ---- Beginning a turn ------------------------------------------------------------------------------- */

/* What other threads have asked for since the last turn. False: to stop. */
static bool look_at_wishes(tele_stream *stream, turn *turn) {
  *turn = (struct turn){.now_ns = clock_mono_ns()};
  pthread_mutex_lock(&stream->mutex);
  bool stopping = stream->stopping;
  turn->settings = stream->settings;
  turn->wanted = stream->settings.outputs;
  uint32_t keyframes = stream->keyframes_asked;
  stream->keyframes_asked = 0;
  for (int i = 0; i < OUTPUTS_COUNT; i++) {
    stream_output *output = &stream->outputs[i];
    if (packet_queue_has_room(&output->queue)) turn->room |= output->bit;
  }
  turn->room &= turn->wanted;
  stream->short_of_room = turn->room != turn->wanted;
  pthread_mutex_unlock(&stream->mutex);
  for (int i = 0; i < OUTPUTS_COUNT; i++) {
    stream_output *output = &stream->outputs[i];
    if ((turn->wanted & output->bit) != 0) output->wanted_ns = turn->now_ns;
    if ((keyframes & output->bit) == 0) continue;
    output->keyframe_due = true;
    output->keyframe_asked_ns = turn->now_ns;
  }
  return !stopping;
}

static void tell_no_encoder_open(tele_stream *stream) {
  pthread_mutex_lock(&stream->mutex);
  stream->status.encoder = TELE_ENCODER_AUTO;
  stream->status.encoder_name[0] = 0;
  stream->status.bitrate_kbps = 0;
  pthread_mutex_unlock(&stream->mutex);
}

static void close_idle(tele_stream *stream, turn *turn) {
  for (int i = 0; i < OUTPUTS_COUNT; i++) {
    stream_output *output = &stream->outputs[i];
    bool decodes = i == OUTPUT_JPEG && stream->decoder != NULL;
    if ((turn->wanted & output->bit) != 0 || (output->encoder == NULL && !decodes)) continue;
    uint64_t idle_ns = output->wanted_ns + IDLE_NS;
    if (turn->now_ns < idle_ns) {
      turn_wake_at(turn, idle_ns);
      continue;
    }
    output_close_encoder(output);
    if (i == OUTPUT_H264) tell_no_encoder_open(stream);
    if (!decodes) continue;
    decoder_close(stream->decoder);
    stream->decoder = NULL;
    stream->picture_fresh = false;
    stream->picture = (encoder_picture){.width = 0};
  }
}

static run_content content_of(uint32_t format) {
  if (format == TELE_FORMAT_H264) return CONTENT_UNITS;
  return format == TELE_FORMAT_JPEG ? CONTENT_JPEG : CONTENT_RAW;
}

/* A run may change between pictures and access units: each has its own way to begin. */
static void change_content(tele_stream *stream, run_content content) {
  stream_output *output = &stream->outputs[OUTPUT_H264];
  output_close_encoder(output);
  for (int i = 0; i < OUTPUTS_COUNT; i++) output_forget_failures(&stream->outputs[i]);
  stream->content = content;
  stream->picture = (encoder_picture){.width = 0};
  stream->picture_fresh = false;
  if (content != CONTENT_UNITS) {
    tell_no_encoder_open(stream);
    return;
  }
  stream->passed = stream->decoded = (access_chain){.after = stream->sampler.frame};
  stream_tell_encoder(stream, TELE_ENCODER_PASSED, "passed", "the run publishes H.264 itself");
}

/* Finds the newest frame and what can be made of it. False: there is nothing to do. */
static bool look_at_run(tele_stream *stream, turn *turn) {
  const void *payload;
  if (stream->faulted || turn->wanted == 0) return false;
  int result = tele_reader_begin(stream->reader, 0, TELE_READ_NEWEST, &turn->newest, &payload);
  if (result < 0) stream_fault(stream, result);
  /* Not after 0: of a head that goes back nothing is read until it is where it was. */
  if (result == 0) turn_arm(turn, stream->reader->head_seen, 0);
  if (result != 1) return false;
  run_content content = content_of(turn->newest.format);
  if (content != stream->content) change_content(stream, content);
  for (int i = 0; i < OUTPUTS_COUNT; i++) {
    stream_output *output = &stream->outputs[i];
    if (output_is_hopeless(output, &turn->settings, turn->newest.width, turn->newest.height)) {
      turn->wanted &= ~output->bit;
    }
  }
  turn->room &= turn->wanted;
  return turn->wanted != 0;
}

/* ---- Waiting ---------------------------------------------------------------------------------------- */

static uint32_t wait_ms(const turn *turn) {
  if (turn->wake_ns == 0) return LOOK_MS;
  uint64_t now_ns = clock_mono_ns();
  if (turn->wake_ns <= now_ns) return 0;
  uint64_t ms = (turn->wake_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
  return ms < LOOK_MS ? (uint32_t)ms : LOOK_MS;
}

/* That nothing more will be published is told after a turn that took the last frame, and what follows it after it. */
typedef struct ends {
  tele_hub_event events[EVENTS_MAX]; /* each kind comes once at most */
  int events_count;
} ends;

static void tell_ends(tele_stream *stream, ends *ends) {
  for (int i = 0; i < ends->events_count; i++) {
    const tele_hub_event *event = &ends->events[i];
    hub_source_post(stream->hub, &stream->source, event->kind, event->head, event->detail);
  }
  ends->events_count = 0;
}

/* Also where there is more to be done at once, without waiting then: a run that is faster than its encoder has a lease
 * and an end too. */
static void wait_for_news(tele_stream *stream, const turn *turn, bool more, ends *ends) {
  if (turn->armed && !more) {
    tele_hub_arm(stream->own_hub, 0, turn->after, turn->not_before_ns);
  } else {
    tele_hub_disarm(stream->own_hub, 0);
  }
  tele_hub_event events[EVENTS_MAX];
  int events_count = tele_hub_next(stream->own_hub, more ? 0 : wait_ms(turn), events, EVENTS_MAX);
  for (int i = 0; i < events_count; i++) {
    const tele_hub_event *event = &events[i];
    if (event->kind == TELE_HUB_FRAME) continue;
    if (event->kind == TELE_HUB_FAULT) stream->faulted = true;
    if (event->kind == TELE_HUB_CLOSED || event->kind == TELE_HUB_DEAD) stream->ending = true;
    if (stream->ending) {
      ends->events[ends->events_count++] = *event;
    } else {
      hub_source_post(stream->hub, &stream->source, event->kind, event->head, event->detail);
    }
  }
}

void *stream_run(void *argument) {
  tele_stream *stream = argument;
  ends ends = {.events_count = 0};
  turn turn;
  while (look_at_wishes(stream, &turn)) {
    bool more =
        look_at_run(stream, &turn) && (stream->content == CONTENT_UNITS ? stream_take_units_turn(stream, &turn)
                                                                        : stream_take_frames_turn(stream, &turn));
    if (!more) tell_ends(stream, &ends);
    close_idle(stream, &turn);
    wait_for_news(stream, &turn, more, &ends);
  }
  return NULL;
}
