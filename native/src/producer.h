/* A producer's state, shared by its life (producer.c), publishing (publish.c) and what comes back
 * (producer_controls.c). */
#ifndef TELE_PRODUCER_H
#define TELE_PRODUCER_H

#include "notify.h"
#include "segment.h"
#include "segment_file.h"

/* Events taken out of the segment and not yet handed out. Limit: as many as the segment holds. Policy at the limit:
 * the oldest go, and the next one handed out is a RELEASE_ALL, so that no key stays down. Counter: lost. */
typedef struct input_queue {
  tele_input events[TELE_INPUT_EVENTS_MAX];
  uint64_t head; /* events put in */
  uint64_t tail; /* events handed out or lost */
  uint64_t lost;
  bool release_due;
} input_queue;

struct tele_producer {
  segment *segment;
  segment_file *file;
  uint64_t mapped_bytes;
  uint64_t slot_bytes;
  uint64_t payload_bytes_max;
  uint64_t capacity;
  uint64_t slot_index; /* of the next publication */
  uint64_t frames;
  uint64_t frames_refused;
  bool chain_broken; /* an access unit was refused: none counts before the next keyframe */
  unsigned generation;
  notifier notifier;
  uint64_t frame_due_ns; /* for the rate cap */
  uint32_t steps_granted;
  input_queue inputs;
  char path[SEGMENT_PATH_BYTES];
  char run_id[TELE_RUN_ID_CHARS_MAX + 1];
};

#endif
