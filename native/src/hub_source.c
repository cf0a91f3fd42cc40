/* Sources of the hub: a thread posts what it has, and tele_hub_next() tells it under the source's id. */
#include <errno.h>

#include "error.h"
#include "hub.h"

/* What is told once in a source's life. */
#define TOLD_ONCE                                                                                 \
  (1u << TELE_HUB_CLOSED | 1u << TELE_HUB_DEAD | 1u << TELE_HUB_FAULT | 1u << TELE_HUB_REPLACED | \
   1u << TELE_HUB_POLLING)

int hub_source_add(tele_hub *hub, hub_source *source, uint64_t id) {
  *source = (hub_source){.id = id};
  pthread_mutex_lock(&hub->mutex);
  bool taken = hub_knows(hub, id);
  if (!taken) {
    source->next = hub->sources;
    hub->sources = source;
  }
  pthread_mutex_unlock(&hub->mutex);
  return taken ? error_set(EEXIST, "the hub has a stream %llu already", (unsigned long long)id) : 0;
}

void hub_source_remove(tele_hub *hub, hub_source *source) {
  pthread_mutex_lock(&hub->mutex);
  hub_source **link = &hub->sources;
  while (*link != source) link = &(*link)->next;
  *link = source->next;
  pthread_mutex_unlock(&hub->mutex);
}

void hub_source_post(tele_hub *hub, hub_source *source, tele_hub_event_kind kind, uint64_t head, uint32_t detail) {
  uint32_t bit = 1u << kind;
  pthread_mutex_lock(&hub->mutex);
  if ((source->reported & bit & TOLD_ONCE) == 0) {
    source->told[kind].head = head;
    source->told[kind].detail = detail;
    source->pending |= bit;
    source->reported |= bit;
  }
  hub_unlock_and_wake(hub);
}

/* What ends a run comes after its last packet. */
static const tele_hub_event_kind TELLING_ORDER[] = {
    TELE_HUB_ENCODER, TELE_HUB_PACKET, TELE_HUB_NO_ENCODER, TELE_HUB_POLLING,
    TELE_HUB_CLOSED,  TELE_HUB_DEAD,   TELE_HUB_FAULT,      TELE_HUB_REPLACED,
};

void hub_source_look_at(hub_source *source, harvest *harvest) {
  for (size_t i = 0; i < sizeof TELLING_ORDER / sizeof TELLING_ORDER[0] && source->pending != 0; i++) {
    tele_hub_event_kind kind = TELLING_ORDER[i];
    if ((source->pending & 1u << kind) == 0) continue;
    if (harvest->events_count == harvest->events_max) return;
    source->pending &= ~(1u << kind);
    harvest->events[harvest->events_count++] = (tele_hub_event){.stream_id = source->id,
                                                                .head = source->told[kind].head,
                                                                .t_mono_ns = harvest->now_ns,
                                                                .kind = kind,
                                                                .detail = source->told[kind].detail};
  }
}
