#include "publisher.h"

#include <errno.h>

#define FPS_MHZ_DEFAULT 30000u
#define GOP_MS_DEFAULT 2000u

void publisher_complete(agent_encoder_settings *settings) {
  settings->width = (settings->width + 1) & ~1u;
  settings->height = (settings->height + 1) & ~1u;
  if (settings->fps_mhz == 0) settings->fps_mhz = FPS_MHZ_DEFAULT;
  if (settings->gop_ms == 0) settings->gop_ms = GOP_MS_DEFAULT;
  if (settings->bitrate_kbps == 0) {
    settings->bitrate_kbps = encoder_default_kbps(settings->width, settings->height, settings->fps_mhz);
  }
}

int publisher_open_run(publisher *publisher, const char *run_id, const agent_encoder_settings *settings) {
  const tele_producer_options ring = output_ring_size(settings->bitrate_kbps, settings->fps_mhz, settings->gop_ms);
  return tele_producer_open(run_id, &ring, &publisher->producer);
}

int publisher_encode(publisher *publisher, const encoder_picture *picture, tele_frame *frame) {
  tele_controls controls;
  access_unit unit;
  tele_producer_controls(publisher->producer, &controls);
  const output_wishes wishes = {.keyframe = controls.keyframe_requests != publisher->keyframes_answered,
                                .rate_max_mhz = controls.rate_max_mhz};
  int result = agent_encode(publisher->encoder, picture, frame->t_mono_ns, &wishes, &unit);
  if (result < 0) return result;
  frame->pixels = unit.bytes;
  frame->bytes = unit.bytes_count;
  frame->flags = unit.keyframe ? TELE_FRAME_KEYFRAME : 0;
  result = tele_producer_publish(publisher->producer, frame);
  if (result == 0 && unit.keyframe) publisher->keyframes_answered = controls.keyframe_requests;
  return result == -EMSGSIZE ? 0 : result;
}

void publisher_close(publisher *publisher) {
  agent_encoder_close(publisher->encoder);
  tele_producer_close(publisher->producer);
}
