/* The hub's state, and one pass over its streams. */
#ifndef TELE_HUB_H
#define TELE_HUB_H

#include <pthread.h>

#include "controller.h"

typedef struct stream {
  struct stream *next;
  uint64_t id;
  uint64_t number; /* unique in the hub, unlike id, which may be added again */
  tele_reader *reader;
  tele_controller *controller; /* NULL: polled */
  bool armed;
  uint64_t after;
  uint64_t not_before_ns;
  bool polled;
  uint64_t retry_due_ns;  /* when a polled one asks for datagrams again */
  bool notify_on;         /* notify_wanted is set */
  bool awaited;           /* a sleep began with it set and nothing new: the next frame owes a datagram */
  bool datagram_came;     /* since then */
  bool readable;          /* the socket holds something */
  uint64_t owed_since_ns; /* when a frame was seen that owed one, and was not judged yet; 0 = none */
  unsigned missed;        /* in a row */
  uint64_t health_due_ns;
  uint64_t renew_due_ns;
  head_watch watch;
  uint32_t reported; /* bit per tele_hub_event_kind */
} stream;

/* What a thread of ours has to tell under an id: at most one event of each kind waits, so that nothing is unbounded. */
typedef struct hub_source {
  struct hub_source *next;
  uint64_t id;
  uint32_t pending;  /* bit per tele_hub_event_kind */
  uint32_t reported; /* the same; what ends a run is told once */
  struct {
    uint64_t head;
    uint32_t detail;
  } told[TELE_HUB_NO_ENCODER + 1]; /* by tele_hub_event_kind, as posted last */
} hub_source;

struct tele_hub {
  pthread_mutex_t mutex;
  int epoll_fd;
  int wake_fd;
  stream *streams;
  hub_source *sources;
  uint64_t next_number;
  bool sleeping;
  bool wake_requested;
};

/* What one pass gathers. */
typedef struct harvest {
  tele_hub_event *events;
  uint32_t events_count;
  uint32_t events_max;
  uint64_t now_ns;
  uint64_t sleep_until_ns;
} harvest;

/* Looks at one stream: emits what is ready, asks for datagrams where a frame is awaited, renews the lease, looks after
 * the owner when that is due, and shortens the sleep to when the next of these is due. With the mutex held. */
void stream_look_at(stream *stream, harvest *harvest);

/* ---- Sources: threads that post what they have --------------------------------------------------- */

/* -EEXIST for an id in use. The source stays the caller's, and good until it is removed. */
int hub_source_add(tele_hub *hub, hub_source *source, uint64_t id);

/* No event of the source comes out of the hub after it returns. */
void hub_source_remove(tele_hub *hub, hub_source *source);

/* Any thread. Events of a kind that waits already become one. */
void hub_source_post(tele_hub *hub, hub_source *source, tele_hub_event_kind kind, uint64_t head, uint32_t detail);

/* Moves what waits into the harvest, as far as there is room. With the mutex held. */
void hub_source_look_at(hub_source *source, harvest *harvest);

/* ---- Parts of hub.c, with the mutex held ---------------------------------------------------------- */

/* Releases the mutex and makes a sleeping tele_hub_next() look again: in this order, since the first thing it needs is
 * the mutex. */
void hub_unlock_and_wake(tele_hub *hub);

/* Whether a stream or a source has this id. */
bool hub_knows(const tele_hub *hub, uint64_t id);

/* Takes the wish for datagrams back: a stream that awaits nothing costs its producer no system call. */
void stream_stop_datagrams(stream *stream);

#endif
