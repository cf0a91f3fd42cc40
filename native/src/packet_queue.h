/*
 * The packets of one output that nobody has taken yet.
 *
 * Limit: PACKETS_MAX. Policy at the limit: nothing more is sampled for this output (packet_queue_has_room()), so that a
 * chain of access units never breaks here; what the run publishes meanwhile is passed over in the ring. Counter: the
 * stream's frames_skipped, and packets_dropped where the run's own access units are passed over.
 *
 * Buffers are kept and grow. The stream's thread fills the next one without a lock, since nobody sees it before it is
 * committed; committing and taking are under the stream's mutex.
 */
#ifndef TELE_PACKET_QUEUE_H
#define TELE_PACKET_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKETS_MAX 4u

typedef struct packet {
  uint8_t *bytes;
  uint64_t bytes_max;
  uint64_t bytes_count;
  uint64_t order; /* among the packets of all outputs */
} packet;

typedef struct packet_queue {
  packet packets[PACKETS_MAX];
  uint64_t taken;
  uint64_t committed;
} packet_queue;

/* With the mutex held, as all but packet_queue_reserve(). */
static inline bool packet_queue_has_room(const packet_queue *queue) {
  return queue->committed - queue->taken < PACKETS_MAX;
}

static inline packet *packet_queue_oldest(packet_queue *queue) {
  return queue->committed == queue->taken ? NULL : &queue->packets[queue->taken % PACKETS_MAX];
}

/* The next packet to be filled, with room for so many bytes; NULL without memory. While there is room, and by the
 * thread that commits. What was in it before stays. */
packet *packet_queue_reserve(packet_queue *queue, uint64_t bytes_count);

void packet_queue_free(packet_queue *queue);

#endif
