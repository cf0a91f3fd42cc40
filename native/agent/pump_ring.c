#include "pump_ring.h"

#include <stdio.h>

#define PAYLOAD_BYTES_MIN (128u << 10)

/* Half a byte a pixel: three times what an IDR of good quality takes. */
static uint64_t payload_bytes_of(const tele_access_unit *unit) {
  uint64_t bytes = (uint64_t)unit->width * unit->height / 2;
  if (bytes < unit->bytes_count * 2) bytes = unit->bytes_count * 2;
  if (bytes < PAYLOAD_BYTES_MIN) bytes = PAYLOAD_BYTES_MIN;
  return bytes < PUMP_UNIT_BYTES_MAX ? bytes : PUMP_UNIT_BYTES_MAX;
}

static int open_ring(pump_ring *ring, const tele_access_unit *unit) {
  tele_producer_close(ring->producer);
  ring->producer = NULL;
  ring->payload_bytes_max = payload_bytes_of(unit);
  const tele_producer_options options = {.payload_bytes_max = ring->payload_bytes_max};
  return tele_producer_open(ring->run_id, &options, &ring->producer);
}

/* Whether nobody asks for a pause. */
static bool may_go_on(pump_ring *ring) {
  tele_input input;
  /* Nobody takes it; a full ring would keep a pause from ending. */
  while (tele_producer_next_input(ring->producer, &input) == 1) continue;
  return tele_producer_gate(ring->producer, 0) == 1;
}

static void tell_size(pump_ring *ring, const tele_access_unit *unit) {
  if (unit->width == ring->width && unit->height == ring->height) return;
  fprintf(stderr, AGENT_NAME ": run \"%s\": H.264 of %u x %u\n", ring->run_id, unit->width, unit->height);
  ring->width = unit->width;
  ring->height = unit->height;
}

int pump_ring_publish(pump_ring *ring, const tele_access_unit *unit, uint64_t t_mono_ns) {
  const bool is_keyframe = (unit->flags & TELE_UNIT_KEYFRAME) != 0;
  const bool has_room = ring->producer != NULL && unit->bytes_count <= ring->payload_bytes_max;
  if (ring->producer != NULL && !may_go_on(ring)) {
    ring->is_chain = false;
    return 0;
  }
  if (!has_room) {
    const int result = open_ring(ring, unit);
    if (result < 0) return result;
    ring->is_chain = false; /* nobody who reads the new one has seen what came before */
  }
  ring->is_chain = ring->is_chain || is_keyframe;
  if (!ring->is_chain) return 0;
  if (is_keyframe) tell_size(ring, unit);
  const tele_frame frame = {.pixels = unit->bytes,
                            .bytes = unit->bytes_count,
                            .step = ring->frames + 1,
                            .t_mono_ns = t_mono_ns,
                            .width = unit->width,
                            .height = unit->height,
                            .format = TELE_FORMAT_H264,
                            .flags = is_keyframe ? TELE_FRAME_KEYFRAME : 0};
  const int result = tele_producer_publish(ring->producer, &frame);
  if (result == 0) ring->frames++;
  return result;
}

void pump_ring_close(pump_ring *ring) { tele_producer_close(ring->producer); }
