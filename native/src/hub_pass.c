/* One pass over a stream of the hub: what is ready, and how long to sleep for what is not. */
#include <errno.h>
#include <sys/socket.h>

#include "hub.h"

/* The longest sleep while a datagram is awaited: a lost one costs no more than this. */
#define DATAGRAM_WAIT_NS (20 * NS_PER_MS * INTERVAL_SCALE)
/* Interval of looking at head where no datagrams come. */
#define POLL_NS (1 * NS_PER_MS)
/* Interval of looking after the owner, the size and the name; the `closed` flag is seen in every pass. */
#define HEALTH_NS (250 * NS_PER_MS * INTERVAL_SCALE)
/* So many frames in a row without the datagram they owed, and the stream is polled. */
#define DATAGRAMS_MISSED_MAX 3
/* After so long a polled stream asks again: the producer may have connected meanwhile. It is polled all the same. */
#define DATAGRAM_RETRY_NS (5 * NS_PER_S)
/* A producer sends its datagram after it stored head; one that did not come within this time does not come. */
#define DATAGRAM_GRACE_NS (1 * NS_PER_MS)

void stream_stop_datagrams(stream *stream) {
  if (stream->notify_on) {
    atomic_store_explicit(&stream->reader->segment->notify_wanted, 0, memory_order_relaxed);
  }
  stream->notify_on = stream->awaited = false;
}

static uint64_t head_of(const stream *stream) {
  /* SYNC ring.publish: pairs with tele_producer_publish(), which stores it */
  return atomic_load_explicit(&stream->reader->segment->head, memory_order_acquire);
}

/* Sets notify_wanted. The caller must look at head again afterwards.
 * SYNC ring.notify: pairs with tele_producer_publish(). */
static void want_datagrams(stream *stream) {
  atomic_store_explicit(&stream->reader->segment->notify_wanted, 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_seq_cst);
  stream->notify_on = true;
}

static void drain_socket(stream *stream) {
  uint64_t head;
  while (recv(stream->controller->socket_fd, &head, sizeof head, MSG_DONTWAIT) >= 0) stream->datagram_came = true;
  stream->readable = false;
}

/* Decides whether the last frame that owed a datagram got it, once it had the time to. */
static void judge_datagrams(stream *stream, uint64_t now_ns) {
  if (stream->owed_since_ns == 0 || now_ns - stream->owed_since_ns < DATAGRAM_GRACE_NS) return;
  if (!stream->datagram_came) drain_socket(stream);
  stream->missed = stream->datagram_came ? 0 : stream->missed + 1;
  if (stream->datagram_came) stream->polled = false;
  stream->owed_since_ns = 0;
}

static bool has_room(const harvest *harvest) { return harvest->events_count < harvest->events_max; }

static void emit(harvest *harvest, stream *stream, tele_hub_event_kind kind, uint64_t head, uint32_t detail) {
  stream->reported |= 1u << kind;
  harvest->events[harvest->events_count++] = (tele_hub_event){
      .stream_id = stream->id, .head = head, .t_mono_ns = harvest->now_ns, .kind = kind, .detail = detail};
}

static bool was_reported(const stream *stream, tele_hub_event_kind kind) {
  return (stream->reported & 1u << kind) != 0;
}

static void sleep_until(harvest *harvest, uint64_t when_ns) {
  if (when_ns < harvest->sleep_until_ns) harvest->sleep_until_ns = when_ns;
}

static bool asks_for_datagrams(const stream *stream, uint64_t now_ns) {
  return !stream->polled || (stream->controller != NULL && now_ns >= stream->retry_due_ns);
}

/* Says so once. The next trial is over with one frame. */
static void start_polling(stream *stream, harvest *harvest, uint64_t head) {
  stream_stop_datagrams(stream);
  stream->polled = true;
  stream->retry_due_ns = harvest->now_ns + DATAGRAM_RETRY_NS;
  stream->missed = DATAGRAMS_MISSED_MAX - 1;
  if (!was_reported(stream, TELE_HUB_POLLING)) emit(harvest, stream, TELE_HUB_POLLING, head, 0);
}

/* Emits FRAME, or prepares the sleep that ends with one. */
static void look_for_frame(stream *stream, harvest *harvest) {
  if (!stream->armed) return;
  if (harvest->now_ns < stream->not_before_ns) {
    stream_stop_datagrams(stream);
    sleep_until(harvest, stream->not_before_ns);
    return;
  }
  if (asks_for_datagrams(stream, harvest->now_ns)) judge_datagrams(stream, harvest->now_ns);
  if (stream->readable && head_of(stream) <= stream->after) drain_socket(stream);
  /* Only now: the news of a frame published since may just have been drained. */
  uint64_t head = head_of(stream);
  if (stream->missed >= DATAGRAMS_MISSED_MAX && has_room(harvest)) start_polling(stream, harvest, head);
  if (asks_for_datagrams(stream, harvest->now_ns) && !stream->notify_on && head <= stream->after) {
    want_datagrams(stream);
    head = head_of(stream);
  }
  if (head <= stream->after) {
    if (stream->notify_on && !stream->awaited) {
      stream->awaited = true;
      if (stream->owed_since_ns == 0) stream->datagram_came = false;
    }
    sleep_until(harvest, harvest->now_ns + (stream->polled ? POLL_NS : DATAGRAM_WAIT_NS));
  } else if (has_room(harvest)) {
    if (stream->awaited && stream->owed_since_ns == 0) stream->owed_since_ns = harvest->now_ns;
    stream_stop_datagrams(stream);
    stream->armed = false;
    emit(harvest, stream, TELE_HUB_FRAME, head, 0);
  }
}

static void report_fault(stream *stream, harvest *harvest) {
  if (has_room(harvest)) emit(harvest, stream, TELE_HUB_FAULT, 0, EFAULT);
}

/* Reports how the owner is. Two or three system calls, hence not in every pass. */
static void look_after_owner(stream *stream, harvest *harvest) {
  tele_reader *reader = stream->reader;
  if (reader_check_size(reader) < 0) {
    report_fault(stream, harvest);
    return;
  }
  if (reader_owner(reader, &stream->watch) == TELE_OWNER_DEAD && !was_reported(stream, TELE_HUB_DEAD) &&
      has_room(harvest)) {
    emit(harvest, stream, TELE_HUB_DEAD, head_of(stream), 0);
  }
  /* 0: the name leads to another segment. Where it leads to none, the old one is still being published. */
  if (!was_reported(stream, TELE_HUB_REPLACED) && segment_file_is_at(reader->file, reader->path) == 0 &&
      has_room(harvest)) {
    emit(harvest, stream, TELE_HUB_REPLACED, head_of(stream), 0);
  }
}

static void look_at_whole(stream *stream, harvest *harvest) {
  if (stream->controller != NULL) {
    if (harvest->now_ns >= stream->renew_due_ns) {
      tele_controller_renew(stream->controller);
      stream->renew_due_ns = harvest->now_ns + LEASE_RENEW_NS;
    }
    sleep_until(harvest, stream->renew_due_ns);
  }
  /* SYNC ring.closed: pairs with tele_producer_close(). Before head, so that the last frame comes first. */
  uint32_t flags = atomic_load_explicit(&stream->reader->segment->flags, memory_order_acquire);
  look_for_frame(stream, harvest);
  if ((flags & TELE_FLAG_CLOSED) != 0 && !was_reported(stream, TELE_HUB_CLOSED) && has_room(harvest)) {
    emit(harvest, stream, TELE_HUB_CLOSED, head_of(stream), 0);
  }
  /* Once later while a frame is on its way to its reader. */
  uint64_t health_due_ns = stream->health_due_ns + (harvest->events_count == 0 ? 0 : HEALTH_NS);
  if (harvest->now_ns >= health_due_ns) {
    look_after_owner(stream, harvest);
    stream->health_due_ns = harvest->now_ns + HEALTH_NS;
  }
  sleep_until(harvest, stream->health_due_ns);
}

void stream_look_at(stream *stream, harvest *harvest) {
  if (!was_reported(stream, TELE_HUB_FAULT)) {
    if (reader_fault(stream->reader) < 0) {
      report_fault(stream, harvest);
    } else {
      look_at_whole(stream, harvest);
    }
  }
  /* What is left was sent to a stream that awaits nothing, and would end the sleep at once. */
  if (stream->readable && harvest->events_count == 0) drain_socket(stream);
}
