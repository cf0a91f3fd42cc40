/* Turns of runs that publish pictures: a raw one is converted straight from its slot and encoded, a JPEG is passed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "picture.h"
#include "stream.h"

/* So often a picture that was overwritten while it was converted is taken anew in one turn. */
#define SAMPLES_MAX 16
/* A picture is made once more when no newer frame came for so long: a run of 60 Hz has one by then, and a picture that
 * was drawn already is not sent to everybody once more. */
#define REPEAT_PATIENCE_NS (20 * NS_PER_MS)

/* Those of the outputs with room that need the newest picture even if none follows, and since when the first of them
 * does: a keyframe was asked for, or the picture was sampled for another output while this one had no room. */
static uint32_t outputs_in_need(const tele_stream *stream, const turn *turn, uint64_t *since_ns) {
  uint32_t in_need = 0;
  bool newer = turn->newest.frame > stream->sampler.frame;
  for (int i = 0; i < OUTPUTS_COUNT; i++) {
    const stream_output *output = &stream->outputs[i];
    bool asked = output->keyframe_due, missed = !newer && output->frame < stream->sampler.frame;
    if ((output->bit & turn->room) == 0 || (!asked && !missed)) continue;
    uint64_t need_ns = asked ? output->keyframe_asked_ns : stream->sampler.at_ns;
    if (in_need == 0 || need_ns < *since_ns) *since_ns = need_ns;
    in_need |= output->bit;
  }
  return in_need;
}

/* Copies a JPEG, which is a packet already. 1 sampled. */
static int copy_jpeg(tele_stream *stream, uint64_t after, uint32_t mode, tele_slot_header *header) {
  int result = frame_copy_read(&stream->copy, stream->reader, after, mode);
  if (result != 1) return result;
  *header = frame_copy_header(&stream->copy);
  return header->format == TELE_FORMAT_JPEG;
}

static void pass_jpeg(tele_stream *stream, const turn *turn, const tele_slot_header *header, uint64_t sampled_ns) {
  const uint8_t *payload = stream->copy.bytes + sizeof *header;
  coded_frame coded = {.header = header,
                       .bytes = payload,
                       .bytes_count = coded_bytes(header),
                       .overlay = payload + header->overlay_offset,
                       .sampled_ns = sampled_ns,
                       .keyframe = true};
  stream_output *output = &stream->outputs[OUTPUT_JPEG];
  int result = stream_queue(stream, output, &coded);
  if (result < 0) stream_give_up(stream, turn, output, result);
}

/* Converts a raw frame in its slot. 1 the picture is whole; 0 it was overwritten meanwhile. */
static int convert_in_place(tele_stream *stream, tele_slot_header *header, const void *payload,
                            encoder_picture *picture) {
  uint64_t begin_ns = clock_mono_ns();
  int result = stream->converter == NULL ? converter_open(&stream->converter) : 0;
  if (result == 0) result = converter_run(stream->converter, header, payload, picture);
  bool overlay_kept = stream_keep_overlay(stream, header, payload);
  int whole = tele_reader_end(stream->reader, header);
  if (!overlay_kept) header->overlay_width = header->overlay_bytes = 0;
  pthread_mutex_lock(&stream->mutex);
  stream->status.convert_ns += clock_mono_ns() - begin_ns;
  pthread_mutex_unlock(&stream->mutex);
  return whole != 1 ? whole : result < 0 ? result : 1;
}

/* Samples one frame and makes packets of it. 1 done; 0 none, or it was overwritten again and again. */
static int sample(tele_stream *stream, const turn *turn, uint64_t after, uint32_t mode) {
  for (int i = 0; i < SAMPLES_MAX; i++) {
    tele_slot_header header;
    const void *payload;
    uint64_t sampled_ns = clock_mono_ns();
    int result = tele_reader_begin(stream->reader, after, mode, &header, &payload);
    if (result == -ESTALE) { /* every frame while the ring holds it: the older half would be overwritten at once */
      after = turn->newest.frame - stream->reader->capacity / 2;
      continue;
    }
    if (result != 1) return result;
    if (header.format == TELE_FORMAT_H264) { /* one of a chain that is over, or the first of one that begins */
      if (after >= turn->newest.frame - 1) return 0;
      after = turn->newest.frame - 1;
      continue;
    }
    encoder_picture picture;
    bool jpeg = header.format == TELE_FORMAT_JPEG;
    result = jpeg ? copy_jpeg(stream, after, mode, &header) : convert_in_place(stream, &header, payload, &picture);
    if (result == -ESTALE || result == 0) continue;
    if (result == -EFAULT || result == -EPROTO) return result;
    stream_count_sampled(stream, &header, sampled_ns);
    for (int j = 0; j < OUTPUTS_COUNT; j++) {
      stream_output *output = &stream->outputs[j];
      if ((output->bit & turn->room) == 0) continue;
      if (jpeg && j == OUTPUT_H264) {
        stream_give_up(stream, turn, output, error_set(ENOTSUP, "the run publishes JPEG, which is not encoded again"));
      } else if (result < 0) {
        stream_give_up(stream, turn, output, result);
      } else if (jpeg) {
        pass_jpeg(stream, turn, &header, sampled_ns);
      } else {
        stream_encode(stream, turn, output, &picture, &header, sampled_ns);
      }
    }
    return 1;
  }
  return 0;
}

/* The mode and the frame after which to read: a first frame is the newest in any case. */
static int sample_next(tele_stream *stream, const turn *turn, uint64_t after) {
  bool in_order = turn->settings.in_order != 0 && stream->sampler.frame != 0;
  return sample(stream, turn, in_order ? after : turn->newest.frame - 1, in_order ? TELE_READ_NEXT : TELE_READ_NEWEST);
}

bool stream_take_frames_turn(tele_stream *stream, turn *turn) {
  if (turn->room == 0) return false; /* until a packet is taken */
  uint64_t after = sampler_after(&stream->sampler, &turn->settings);
  uint64_t due_ns = sampler_due_ns(&stream->sampler, &turn->settings, turn->now_ns);
  uint64_t need_ns = 0;
  uint32_t in_need = outputs_in_need(stream, turn, &need_ns);
  int result = 0;
  if (turn->newest.frame > after && (due_ns <= turn->now_ns || stream->ending)) {
    result = sample_next(stream, turn, after);
  } else if (in_need != 0 && turn->now_ns - need_ns >= REPEAT_PATIENCE_NS) {
    /* The next frame before its time, or else the newest once more. */
    bool newer = turn->newest.frame > stream->sampler.frame;
    if (!newer) turn->room = in_need;
    result = newer ? sample_next(stream, turn, stream->sampler.frame)
                   : sample(stream, turn, turn->newest.frame - 1, TELE_READ_NEWEST);
  }
  if (result < 0) stream_fault(stream, result);
  if (result != 0) return result == 1;
  turn_arm(turn, after, due_ns > turn->now_ns ? due_ns : 0);
  if (in_need != 0) turn_wake_at(turn, need_ns + REPEAT_PATIENCE_NS);
  return false;
}
