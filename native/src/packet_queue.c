#include "packet_queue.h"

#include <stdlib.h>

packet *packet_queue_reserve(packet_queue *queue, uint64_t bytes_count) {
  packet *next = &queue->packets[queue->committed % PACKETS_MAX];
  if (bytes_count <= next->bytes_max) return next;
  /* A quarter more, so that packets that grow slowly do not cost an allocation each. */
  uint64_t bytes_max = bytes_count + bytes_count / 4;
  uint8_t *grown = realloc(next->bytes, bytes_max);
  if (grown == NULL) return NULL;
  next->bytes = grown;
  next->bytes_max = bytes_max;
  return next;
}

void packet_queue_free(packet_queue *queue) {
  for (unsigned i = 0; i < PACKETS_MAX; i++) free(queue->packets[i].bytes);
}
