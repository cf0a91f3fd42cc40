/* Turns of runs that publish access units: they are passed as they are, and decoded where JPEG is wanted. */
#include <errno.h>
#include <string.h>

#include "error.h"
#include "stream.h"

/* A keyframe that the producer was asked for and did not send within this, for lack of a frame (it may be paused): what
 * the ring holds since its newest keyframe is passed once more. */
#define ANSWER_NS (250 * NS_PER_MS)
/* A picture that is overdue by this becomes a JPEG though newer access units wait to be decoded. */
#define OVERDUE_NS (100 * NS_PER_MS)

static void count_dropped(tele_stream *stream, uint64_t units_count) {
  pthread_mutex_lock(&stream->mutex);
  stream->status.packets_dropped += units_count;
  pthread_mutex_unlock(&stream->mutex);
}

/* ---- The H.264 output ------------------------------------------------------------------------------- */

/* What passes is a chain: numbers jump where units were passed over, so that a viewer waits for the keyframe. */
static void pass_unit(tele_stream *stream, const turn *turn, uint64_t sampled_ns) {
  stream_output *output = &stream->outputs[OUTPUT_H264];
  tele_slot_header header = frame_copy_header(&stream->copy);
  const uint8_t *payload = stream->copy.bytes + sizeof header;
  output->number += (uint32_t)stream->passed.passed;
  count_dropped(stream, stream->passed.passed);
  stream->passed.passed = 0;
  coded_frame coded = {.header = &header,
                       .bytes = payload,
                       .bytes_count = coded_bytes(&header),
                       .overlay = payload + header.overlay_offset,
                       .sampled_ns = sampled_ns,
                       .keyframe = (header.flags & TELE_FRAME_KEYFRAME) != 0};
  stream_count_sampled(stream, &header, sampled_ns);
  int result = stream_queue(stream, output, &coded);
  if (result < 0) stream_give_up(stream, turn, output, result);
}

static void see_to_keyframe(tele_stream *stream, turn *turn) {
  stream_output *output = &stream->outputs[OUTPUT_H264];
  if (!output->keyframe_due) return;
  access_chain_ask(&stream->passed, stream->reader);
  uint64_t answer_ns = output->keyframe_asked_ns + ANSWER_NS;
  bool idle = turn->newest.frame == stream->passed.after;
  if (turn->now_ns < answer_ns) {
    turn_wake_at(turn, answer_ns);
  } else if (idle && access_chain_rewind(&stream->passed, stream->reader)) {
    turn_wake_at(turn, turn->now_ns);
  }
}

/* 1 one was passed. */
static int take_pass_turn(tele_stream *stream, turn *turn) {
  uint64_t sampled_ns = clock_mono_ns();
  int result = access_chain_next(&stream->passed, stream->reader, &stream->copy);
  if (result == 1) {
    pass_unit(stream, turn, sampled_ns);
  } else {
    turn_arm(turn, access_chain_awaits(&stream->passed), 0);
  }
  see_to_keyframe(stream, turn);
  return result;
}

/* ---- The JPEG output -------------------------------------------------------------------------------- */

static int decode_unit(tele_stream *stream, uint64_t sampled_ns) {
  tele_slot_header header = frame_copy_header(&stream->copy);
  const uint8_t *payload = stream->copy.bytes + sizeof header;
  uint64_t begin_ns = clock_mono_ns();
  encoder_picture picture;
  int result = decoder_run(stream->decoder, payload, coded_bytes(&header), &picture);
  pthread_mutex_lock(&stream->mutex);
  stream->status.decode_ns += clock_mono_ns() - begin_ns;
  pthread_mutex_unlock(&stream->mutex);
  /* Once for each break: a run that the decoder cannot read at all is not asked for ever. */
  if (result == 0 && stream->picture.width != 0) access_chain_break(&stream->decoded);
  /* The planes of the one before are gone. */
  stream->picture = (encoder_picture){.width = 0};
  stream->picture_fresh = result == 1;
  if (result < 1) return result;
  if (!stream_keep_overlay(stream, &header, payload)) header.overlay_width = header.overlay_bytes = 0;
  /* The stream's own word counts, not the header's, where they differ by more than the rounding to even. */
  if ((header.width + 1) / 2 != picture.width / 2) header.width = picture.width;
  if ((header.height + 1) / 2 != picture.height / 2) header.height = picture.height;
  stream->picture = picture;
  stream->picture_header = header;
  stream->picture_ns = sampled_ns;
  return 1;
}

/* When the newest picture may become a JPEG, which is sampled apart from what passes. */
static uint64_t jpeg_due_ns(const tele_stream *stream, const turn *turn) {
  if (stream->outputs[OUTPUT_JPEG].keyframe_due || stream->ending) return turn->now_ns;
  return sampler_due_ns(&stream->pictures, &turn->settings, turn->now_ns);
}

static void make_jpeg(tele_stream *stream, turn *turn, bool caught_up) {
  stream_output *output = &stream->outputs[OUTPUT_JPEG];
  if ((turn->room & output->bit) == 0 || stream->picture.width == 0) return;
  if (!stream->picture_fresh && !output->keyframe_due) return;
  uint64_t due_ns = jpeg_due_ns(stream, turn);
  if (due_ns > turn->now_ns) {
    turn_wake_at(turn, due_ns);
    return;
  }
  if (!caught_up && turn->now_ns < due_ns + OVERDUE_NS) return;
  stream->picture_fresh = false;
  stream->pictures = (sampler){.frame = stream->picture_header.frame, .at_ns = turn->now_ns};
  stream_count_sampled(stream, &stream->picture_header, stream->picture_ns);
  stream_encode(stream, turn, output, &stream->picture, &stream->picture_header, stream->picture_ns);
}

/* 1 one was decoded. Every unit is, since the next one needs it; only the newest becomes a JPEG. */
static int take_decode_turn(tele_stream *stream, turn *turn) {
  if (stream->decoder == NULL) {
    int result = decoder_open(&stream->decoder);
    if (result < 0) {
      stream_give_up(stream, turn, &stream->outputs[OUTPUT_JPEG], result);
      return 0;
    }
    stream->decoded = (access_chain){.after = 0}; /* from the newest keyframe on that the ring still has */
  }
  uint64_t sampled_ns = clock_mono_ns();
  int result = access_chain_next(&stream->decoded, stream->reader, &stream->copy);
  int decoded = result == 1 ? decode_unit(stream, sampled_ns) : 0;
  if (decoded < 0) stream_give_up(stream, turn, &stream->outputs[OUTPUT_JPEG], decoded);
  if (result == 0) turn_arm(turn, access_chain_awaits(&stream->decoded), 0);
  make_jpeg(stream, turn, stream->decoded.after >= turn->newest.frame);
  return result;
}

bool stream_take_units_turn(tele_stream *stream, turn *turn) {
  int passed = 0, decoded = 0;
  if ((turn->room & TELE_OUTPUT_H264) != 0) passed = take_pass_turn(stream, turn);
  if (passed >= 0 && (turn->wanted & TELE_OUTPUT_JPEG) != 0) decoded = take_decode_turn(stream, turn);
  int result = passed < 0 ? passed : decoded;
  if (result == -ENOMEM) {
    stream_output *output = &stream->outputs[passed < 0 ? OUTPUT_H264 : OUTPUT_JPEG];
    stream_give_up(stream, turn, output, result);
  } else if (result < 0) {
    stream_fault(stream, result);
  }
  return passed == 1 || decoded == 1;
}
