/* The run that a source's access units are published into: made with the first keyframe, when their size is known. */
#ifndef PUMP_RING_H
#define PUMP_RING_H

#include "options.h"
#include "telebridge.h"

/* A larger unit fits no ring of ours. */
#define PUMP_UNIT_BYTES_MAX (8u << 20)

typedef struct pump_ring {
  const char *run_id;
  tele_producer *producer; /* NULL before the first */
  uint64_t payload_bytes_max;
  uint64_t frames; /* published in all */
  uint32_t width, height;
  bool is_chain; /* nothing is missing between what was published last and what comes */
} pump_ring;

/* Publishes a unit, unless somebody asks for a pause, after which the next keyframe goes on. Larger units than there is
 * room for get a new ring with more of it. 0, or a negative errno with its text. */
int pump_ring_publish(pump_ring *ring, const tele_access_unit *unit, uint64_t t_mono_ns);

void pump_ring_close(pump_ring *ring);

#endif
