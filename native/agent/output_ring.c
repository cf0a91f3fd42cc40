/* Into shared memory, as access units of a run. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "output.h"

/* An access unit is about a frame's share of the bitrate: at most 2.6 of them were measured (encoder_openh264.c). */
#define SHARES_MAX 8u
#define PAYLOAD_BYTES_MIN 65536u
/* What does not fit may be many in a row; the first of so many is told. */
#define REFUSALS_PER_LINE 300

typedef struct ring_output {
  output base;
  tele_producer *producer;
  uint32_t keyframes_asked;    /* as read last */
  uint32_t keyframes_answered; /* of those */
  uint32_t width, height;
} ring_output;

static int turn(output *base) {
  ring_output *output = (ring_output *)base;
  tele_input input;
  /* Nobody steers the scene; a full ring would keep a pause from ending. */
  while (tele_producer_next_input(output->producer, &input) == 1) continue;
  if (tele_producer_gate(output->producer, 0) != 1) return OUTPUT_IDLE;
  return tele_producer_wants_frame(output->producer) ? OUTPUT_DRAW : OUTPUT_CAP;
}

static void wishes(output *base, output_wishes *wishes) {
  ring_output *output = (ring_output *)base;
  tele_controls controls;
  tele_producer_controls(output->producer, &controls);
  output->keyframes_asked = controls.keyframe_requests;
  *wishes = (output_wishes){.keyframe = controls.keyframe_requests != output->keyframes_answered,
                            .rate_max_mhz = controls.rate_max_mhz};
}

static int write_unit(output *base, const access_unit *unit, const scene_state *state) {
  ring_output *output = (ring_output *)base;
  const tele_frame frame = {.pixels = unit->bytes,
                            .bytes = unit->bytes_count,
                            .step = state->frame,
                            .t_mono_ns = state->t_mono_ns,
                            .t_real_ns = state->t_real_ns,
                            .width = output->width,
                            .height = output->height,
                            .format = TELE_FORMAT_H264,
                            .flags = unit->keyframe ? TELE_FRAME_KEYFRAME : 0};
  const int result = tele_producer_publish(output->producer, &frame);
  if (result == 0 && unit->keyframe) output->keyframes_answered = output->keyframes_asked;
  if (result != -EMSGSIZE) return result;
  if (tele_producer_frames_refused(output->producer) % REFUSALS_PER_LINE == 1) {
    fprintf(stderr, AGENT_NAME ": %s\n", tele_error_message());
  }
  return 0; /* the library has asked for a keyframe */
}

static void show_rate(output *base, uint64_t frame, double fps) {
  const tele_hud hud = {.step = frame, .step_rate_hz = fps, .loss = (double)NAN};
  tele_producer_set_hud(((ring_output *)base)->producer, &hud);
}

static void close_output(output *base) {
  ring_output *output = (ring_output *)base;
  tele_producer_close(output->producer);
  free(output);
}

tele_producer_options output_ring_size(uint32_t bitrate_kbps, uint32_t fps_mhz, uint32_t gop_ms) {
  const double share_bytes = bitrate_kbps * 125.0 * 1000 / fps_mhz;
  const double gop_frames = (double)gop_ms * fps_mhz / 1e6;
  const double payload_bytes = share_bytes * SHARES_MAX, slots = gop_frames * 2 + 4;
  tele_producer_options ring = {.payload_bytes_max = PAYLOAD_BYTES_MIN, .capacity = 256};
  if (payload_bytes > PAYLOAD_BYTES_MIN) ring.payload_bytes_max = (uint64_t)payload_bytes;
  if (slots < (double)ring.capacity) ring.capacity = (uint64_t)slots;
  return ring;
}

int output_ring_open(const agent_options *options, output **made) {
  static const output_kind kind = {
      .turn = turn, .wishes = wishes, .write = write_unit, .show_rate = show_rate, .close = close_output};
  ring_output *output = calloc(1, sizeof *output);
  if (output == NULL) return error_set(ENOMEM, "cannot open run \"%s\": no memory", options->run_id);
  output->base = (struct output){.kind = &kind, .fd = -1};
  output->width = options->width;
  output->height = options->height;
  snprintf(output->base.name, sizeof output->base.name, "run \"%s\"", options->run_id);
  const tele_producer_options ring = output_ring_size(options->bitrate_kbps, options->fps_mhz, options->gop_ms);
  const int result = tele_producer_open(options->run_id, &ring, &output->producer);
  if (result < 0) {
    free(output);
    return result;
  }
  *made = &output->base;
  return 0;
}
