/* From a picture to a packet, and what is counted and told of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "picture.h"
#include "stream.h"

/* A longer break is a pause and no rate. */
#define BREAK_NS (1 * NS_PER_S)
#define NS_PER_S_AT_1_MHZ (NS_PER_S * 1000) /* the period of 1 millihertz */
#define RATE_MIN_MHZ 1000u
#define RATE_MAX_MHZ 240000u

/* ---- Packets ---------------------------------------------------------------------------------------- */

/* The header's reserved bytes, for which telebridge.h has no names. */
enum { PACKET_NUMBER_OFFSET = 100, SAMPLED_OFFSET = 104, READY_OFFSET = 120 };

static void write_packet(packet *packet, const stream_output *output, const coded_frame *coded, uint64_t ready_ns) {
  tele_slot_header header = *coded->header;
  uint64_t end = coded->bytes_count;
  header.seq = 0;
  header.format = output->bit == TELE_OUTPUT_H264 ? TELE_FORMAT_H264 : TELE_FORMAT_JPEG;
  header.stride = 0;
  header.flags = coded->keyframe ? TELE_FRAME_KEYFRAME : 0;
  memset(header.reserved, 0, sizeof header.reserved);
  uint8_t *payload = packet->bytes + sizeof header;
  memcpy(payload, coded->bytes, coded->bytes_count);
  if (header.overlay_bytes > 0) {
    header.overlay_offset = (uint32_t)align_payload(end);
    memset(payload + end, 0, header.overlay_offset - end);
    memcpy(payload + header.overlay_offset, coded->overlay, header.overlay_bytes);
    end = header.overlay_offset + (uint64_t)header.overlay_bytes;
  }
  header.bytes = (uint32_t)end;
  memcpy(packet->bytes, &header, sizeof header);
  memcpy(packet->bytes + PACKET_NUMBER_OFFSET, &output->number, sizeof output->number);
  memcpy(packet->bytes + SAMPLED_OFFSET, &coded->sampled_ns, sizeof coded->sampled_ns);
  memcpy(packet->bytes + READY_OFFSET, &ready_ns, sizeof ready_ns);
  packet->bytes_count = sizeof header + end;
}

int stream_queue(tele_stream *stream, stream_output *output, const coded_frame *coded) {
  uint64_t bytes_count =
      sizeof *coded->header + align_payload(coded->bytes_count) + (uint64_t)coded->header->overlay_bytes;
  packet *packet = bytes_count > UINT32_MAX ? NULL : packet_queue_reserve(&output->queue, bytes_count);
  if (packet == NULL) {
    return error_set(ENOMEM, "no memory for a packet of %llu bytes", (unsigned long long)bytes_count);
  }
  output->number++;
  output->frame = coded->header->frame;
  uint64_t ready_ns = clock_mono_ns();
  write_packet(packet, output, coded, ready_ns);
  if (coded->keyframe) {
    output->keyframe_due = false;
    output->keyframe_ns = ready_ns;
  }
  pthread_mutex_lock(&stream->mutex);
  packet->order = stream->packets_committed++;
  output->queue.committed++;
  stream->status.packets++;
  stream->status.keyframes += coded->keyframe;
  stream->status.bytes += packet->bytes_count;
  pthread_mutex_unlock(&stream->mutex);
  hub_source_post(stream->hub, &stream->source, TELE_HUB_PACKET, coded->header->frame, 0);
  return 0;
}

bool stream_keep_overlay(tele_stream *stream, const tele_slot_header *header, const uint8_t *payload) {
  if (header->overlay_bytes > stream->overlay_bytes_max) {
    uint8_t *grown = realloc(stream->overlay, header->overlay_bytes);
    if (grown == NULL) return false;
    stream->overlay = grown;
    stream->overlay_bytes_max = header->overlay_bytes;
  }
  if (header->overlay_bytes > 0) memcpy(stream->overlay, payload + header->overlay_offset, header->overlay_bytes);
  return true;
}

/* ---- Encoders --------------------------------------------------------------------------------------- */

void stream_tell_encoder(tele_stream *stream, tele_encoder_kind kind, const char *name, const char *note) {
  pthread_mutex_lock(&stream->mutex);
  tele_stream_status *status = &stream->status;
  status->encoder = kind;
  status->bitrate_kbps = 0;
  snprintf(status->encoder_name, sizeof status->encoder_name, "%s", name);
  snprintf(status->note, sizeof status->note, "%s", note);
  pthread_mutex_unlock(&stream->mutex);
  hub_source_post(stream->hub, &stream->source, TELE_HUB_ENCODER, 0, 0);
}

static void tell_given_up(tele_stream *stream, const turn *turn, const stream_output *output, int result) {
  pthread_mutex_lock(&stream->mutex);
  if (output->bit == TELE_OUTPUT_H264) {
    stream->status.encoder = TELE_ENCODER_AUTO;
    stream->status.encoder_name[0] = 0;
    stream->status.bitrate_kbps = 0;
  }
  memcpy(stream->status.note, output->note, sizeof stream->status.note);
  pthread_mutex_unlock(&stream->mutex);
  /* All of them each time: of two that are posted before the hub is asked only the second is told. */
  uint64_t hopeless = output->bit;
  for (int i = 0; i < OUTPUTS_COUNT; i++) {
    const stream_output *other = &stream->outputs[i];
    if (output_is_hopeless(other, &turn->settings, turn->newest.width, turn->newest.height)) hopeless |= other->bit;
  }
  hub_source_post(stream->hub, &stream->source, TELE_HUB_NO_ENCODER, hopeless, (uint32_t)-result);
}

void stream_give_up(tele_stream *stream, const turn *turn, stream_output *output, int result) {
  output_give_up(output, &turn->settings, turn->newest.width, turn->newest.height);
  tell_given_up(stream, turn, output, result);
}

void stream_encode(tele_stream *stream, const turn *turn, stream_output *output, const encoder_picture *picture,
                   const tele_slot_header *header, uint64_t sampled_ns) {
  uint64_t begin_ns = clock_mono_ns();
  access_unit unit;
  output_news news;
  int result = output_encode(output, &turn->settings, stream->rate_mhz, picture, &unit, &news);
  bool h264 = output->bit == TELE_OUTPUT_H264;
  if (h264 && news == OUTPUT_OPENED) {
    stream_tell_encoder(stream, output->encoder->backend->kind, output->encoder->name, output->note);
  }
  pthread_mutex_lock(&stream->mutex);
  stream->status.encode_ns += clock_mono_ns() - begin_ns;
  if (h264 && result == 0) stream->status.bitrate_kbps = output->config.bitrate_kbps;
  pthread_mutex_unlock(&stream->mutex);
  if (result < 0) {
    if (news == OUTPUT_GIVEN_UP) tell_given_up(stream, turn, output, result);
    return;
  }
  coded_frame coded = {.header = header,
                       .bytes = unit.bytes,
                       .bytes_count = unit.bytes_count,
                       .overlay = stream->overlay,
                       .sampled_ns = sampled_ns,
                       .keyframe = unit.keyframe || !h264};
  result = stream_queue(stream, output, &coded);
  if (result < 0) stream_give_up(stream, turn, output, result);
}

/* ---- Counters --------------------------------------------------------------------------------------- */

/* An exponential mean over about ten frames. */
static uint32_t mean_rate(uint32_t rate_mhz, uint64_t gap_ns) {
  if (gap_ns == 0 || gap_ns >= BREAK_NS) return rate_mhz;
  uint64_t found_mhz = NS_PER_S_AT_1_MHZ / gap_ns;
  uint64_t mean_mhz = (rate_mhz * UINT64_C(9) + (found_mhz > RATE_MAX_MHZ ? RATE_MAX_MHZ : found_mhz)) / 10;
  return mean_mhz < RATE_MIN_MHZ ? RATE_MIN_MHZ : (uint32_t)mean_mhz;
}

void stream_count_sampled(tele_stream *stream, const tele_slot_header *header, uint64_t sampled_ns) {
  sampler *sampler = &stream->sampler;
  if (header->frame <= sampler->frame) return;
  uint64_t passed_over = sampler->frame == 0 ? 0 : header->frame - sampler->frame - 1;
  if (sampler->frame != 0) stream->rate_mhz = mean_rate(stream->rate_mhz, sampled_ns - sampler->at_ns);
  *sampler = (struct sampler){.frame = header->frame, .at_ns = sampled_ns};
  pthread_mutex_lock(&stream->mutex);
  tele_stream_status *status = &stream->status;
  status->frames_sampled++;
  status->frames_skipped += passed_over;
  status->last_frame = header->frame;
  status->width = header->width;
  status->height = header->height;
  uint64_t frames_skipped = status->frames_skipped;
  pthread_mutex_unlock(&stream->mutex);
  if (stream->controller != NULL) tele_controller_set_sampled(stream->controller, header->frame, frames_skipped);
}
