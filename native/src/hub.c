/*
 * The hub: one blocking wait for all streams.
 *
 * All state is under one mutex, which is never held while tele_hub_next() blocks. A pass over the streams finds what
 * is ready, asks the producers of armed streams for datagrams, and tells how long to sleep; whoever changes a stream
 * meanwhile wakes the sleeper for another pass. Removing a stream takes the mutex, so that its reader is not touched
 * after tele_hub_remove() returns; what epoll reports is only an id, looked up again under the mutex.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "controller.h"
#include "error.h"

/* The longest sleep while a datagram is awaited: a lost one costs no more than this. */
#define DATAGRAM_WAIT_NS (20 * NS_PER_MS * INTERVAL_SCALE)
/* Interval of looking at head where no datagrams come. */
#define POLL_NS (1 * NS_PER_MS)
/* Interval of looking after the owner, the size and the name; the `closed` flag is seen in every pass. */
#define HEALTH_NS (250 * NS_PER_MS * INTERVAL_SCALE)
/* So many frames in a row without the datagram they owed, and the stream is polled. */
#define DATAGRAMS_MISSED_MAX 3
/* A producer sends its datagram after it stored head; one that did not come within this time does not come. */
#define DATAGRAM_GRACE_NS (1 * NS_PER_MS)

#define EPOLL_EVENTS 64
/* Stands for the eventfd among the stream numbers. */
#define WAKE_NUMBER UINT64_MAX

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
  bool notify_on;         /* notify_wanted is set */
  bool awaited;           /* a sleep began with it set and nothing new: the next frame owes a datagram */
  bool datagram_came;     /* since then */
  uint64_t owed_since_ns; /* when a frame was seen that owed one, and was not judged yet; 0 = none */
  unsigned missed;        /* in a row */
  uint64_t health_due_ns;
  uint64_t renew_due_ns;
  head_watch watch;
  uint32_t reported; /* bit per tele_hub_event_kind */
} stream;

struct tele_hub {
  pthread_mutex_t mutex;
  int epoll_fd;
  int wake_fd;
  stream *streams;
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

/* ---- Streams ---------------------------------------------------------------------------------- */

static stream *find_stream(const tele_hub *hub, uint64_t id) {
  for (stream *each = hub->streams; each != NULL; each = each->next) {
    if (each->id == id) return each;
  }
  return NULL;
}

static stream *find_number(const tele_hub *hub, uint64_t number) {
  for (stream *each = hub->streams; each != NULL; each = each->next) {
    if (each->number == number) return each;
  }
  return NULL;
}

static int refuse_id(uint64_t stream_id) {
  return error_set(ENOENT, "the hub has no stream %llu", (unsigned long long)stream_id);
}

static void stop_datagrams(stream *stream) {
  if (stream->notify_on) {
    atomic_store_explicit(&stream->reader->segment->notify_wanted, 0, memory_order_relaxed);
  }
  stream->notify_on = stream->awaited = false;
}

static uint64_t head_of(const stream *stream) {
  /* SYNC ring.publish: pairs with tele_producer_publish() */
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
}

/* Decides whether the last frame that owed a datagram got it, once it had the time to. */
static void judge_datagrams(stream *stream, uint64_t now_ns) {
  if (stream->owed_since_ns == 0 || now_ns - stream->owed_since_ns < DATAGRAM_GRACE_NS) return;
  drain_socket(stream);
  stream->missed = stream->datagram_came ? 0 : stream->missed + 1;
  stream->owed_since_ns = 0;
}

/* ---- One pass --------------------------------------------------------------------------------- */

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

/* Emits FRAME, or prepares the sleep that ends with one. */
static void look_for_frame(stream *stream, harvest *harvest) {
  if (!stream->armed) return;
  if (harvest->now_ns < stream->not_before_ns) {
    stop_datagrams(stream);
    sleep_until(harvest, stream->not_before_ns);
    return;
  }
  uint64_t head = head_of(stream);
  if (!stream->polled) {
    judge_datagrams(stream, harvest->now_ns);
    if (stream->missed >= DATAGRAMS_MISSED_MAX && has_room(harvest)) {
      stop_datagrams(stream);
      stream->polled = true;
      emit(harvest, stream, TELE_HUB_POLLING, head, 0);
    } else if (head <= stream->after && !stream->notify_on) {
      want_datagrams(stream);
      head = head_of(stream);
    }
  }
  if (head <= stream->after) {
    if (stream->notify_on && !stream->awaited) {
      stream->awaited = true;
      if (stream->owed_since_ns == 0) stream->datagram_came = false;
    }
    sleep_until(harvest, harvest->now_ns + (stream->polled ? POLL_NS : DATAGRAM_WAIT_NS));
  } else if (has_room(harvest)) {
    if (stream->awaited && stream->owed_since_ns == 0) stream->owed_since_ns = harvest->now_ns;
    stop_datagrams(stream);
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

static void look_at(stream *stream, harvest *harvest) {
  if (was_reported(stream, TELE_HUB_FAULT)) return;
  if (reader_fault(stream->reader) < 0) {
    report_fault(stream, harvest);
    return;
  }
  if (stream->controller != NULL) {
    if (harvest->now_ns >= stream->renew_due_ns) {
      tele_controller_renew(stream->controller);
      stream->renew_due_ns = harvest->now_ns + LEASE_RENEW_NS;
    }
    sleep_until(harvest, stream->renew_due_ns);
  }
  look_for_frame(stream, harvest);
  uint32_t flags = atomic_load_explicit(&stream->reader->segment->flags, memory_order_acquire);
  if ((flags & TELE_FLAG_CLOSED) != 0 && !was_reported(stream, TELE_HUB_CLOSED) && has_room(harvest)) {
    emit(harvest, stream, TELE_HUB_CLOSED, head_of(stream), 0);
  }
  if (harvest->now_ns >= stream->health_due_ns) {
    look_after_owner(stream, harvest);
    stream->health_due_ns = harvest->now_ns + HEALTH_NS;
  }
  sleep_until(harvest, stream->health_due_ns);
}

/* Takes note of what ended the sleep. */
static void after_sleep(tele_hub *hub, const struct epoll_event *ready, int ready_count) {
  for (int i = 0; i < ready_count; i++) {
    if (ready[i].data.u64 == WAKE_NUMBER) {
      uint64_t wakes;
      if (read(hub->wake_fd, &wakes, sizeof wakes) < 0) continue; /* EAGAIN: another pass took it */
      continue;
    }
    stream *stream = find_number(hub, ready[i].data.u64);
    if (stream != NULL) drain_socket(stream);
  }
}

/* Sleeps until something is ready or the deadline, which falls between two ms where a frame has its turn. */
static int sleep_on(const tele_hub *hub, uint64_t until_ns, struct epoll_event *ready) {
  uint64_t now_ns = clock_mono_ns();
  struct timespec duration = timespec_of_ns(until_ns > now_ns ? until_ns - now_ns : 0);
  int ready_count = epoll_pwait2(hub->epoll_fd, ready, EPOLL_EVENTS, &duration, NULL);
  if (ready_count < 0 && errno == ENOSYS) { /* before Linux 5.11 */
    struct pollfd epoll = {.fd = hub->epoll_fd, .events = POLLIN};
    ppoll(&epoll, 1, &duration, NULL);
    ready_count = epoll_wait(hub->epoll_fd, ready, EPOLL_EVENTS, 0);
  }
  return ready_count < 0 ? 0 : ready_count;
}

int tele_hub_next(tele_hub *hub, uint32_t timeout_ms, tele_hub_event *events, uint32_t events_max) {
  if (events_max == 0) return error_set(EINVAL, "the hub needs room for one event at least");
  uint64_t deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS;
  pthread_mutex_lock(&hub->mutex);
  for (;;) {
    harvest harvest = {
        .events = events, .events_max = events_max, .now_ns = clock_mono_ns(), .sleep_until_ns = deadline_ns};
    for (stream *each = hub->streams; each != NULL; each = each->next) look_at(each, &harvest);
    bool done = harvest.events_count > 0 || hub->wake_requested || harvest.now_ns >= deadline_ns;
    if (done) {
      hub->wake_requested = false;
      pthread_mutex_unlock(&hub->mutex);
      return (int)harvest.events_count;
    }
    struct epoll_event ready[EPOLL_EVENTS];
    hub->sleeping = true;
    pthread_mutex_unlock(&hub->mutex);
    int ready_count = sleep_on(hub, harvest.sleep_until_ns, ready);
    pthread_mutex_lock(&hub->mutex);
    hub->sleeping = false;
    after_sleep(hub, ready, ready_count);
  }
}

/* ---- Changes from other threads ---------------------------------------------------------------- */

/* Makes a sleeping tele_hub_next() look at the streams again. With the mutex held. */
static void wake_sleeper(tele_hub *hub) {
  uint64_t one = 1;
  if (hub->sleeping && write(hub->wake_fd, &one, sizeof one) < 0) return; /* EAGAIN: it is awake already */
}

int tele_hub_create(tele_hub **hub) {
  tele_hub *made = calloc(1, sizeof *made);
  if (made == NULL) return error_set(ENOMEM, "cannot create a hub: no memory");
  pthread_mutex_init(&made->mutex, NULL);
  made->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  made->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  struct epoll_event wake = {.events = EPOLLIN, .data.u64 = WAKE_NUMBER};
  if (made->epoll_fd < 0 || made->wake_fd < 0 || epoll_ctl(made->epoll_fd, EPOLL_CTL_ADD, made->wake_fd, &wake) < 0) {
    int code = errno;
    tele_hub_destroy(made);
    return error_set(code, "cannot create a hub: %s", strerror(code));
  }
  *hub = made;
  return 0;
}

int tele_hub_add(tele_hub *hub, uint64_t stream_id, tele_reader *reader, tele_controller *controller) {
  stream *made = malloc(sizeof *made);
  if (made == NULL) return error_set(ENOMEM, "cannot add stream %llu: no memory", (unsigned long long)stream_id);
  *made = (stream){.id = stream_id, .reader = reader, .controller = controller, .polled = controller == NULL};
  int result = 0;
  pthread_mutex_lock(&hub->mutex);
  made->number = hub->next_number++;
  if (find_stream(hub, stream_id) != NULL) {
    result = error_set(EEXIST, "the hub has a stream %llu already", (unsigned long long)stream_id);
  } else if (controller != NULL) {
    struct epoll_event datagram = {.events = EPOLLIN, .data.u64 = made->number};
    if (epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, controller->socket_fd, &datagram) < 0) {
      result = error_set(errno, "cannot add stream %llu: %s", (unsigned long long)stream_id, strerror(errno));
    }
  }
  if (result == 0) {
    made->next = hub->streams;
    hub->streams = made;
    wake_sleeper(hub);
  }
  pthread_mutex_unlock(&hub->mutex);
  if (result < 0) free(made);
  return result;
}

int tele_hub_remove(tele_hub *hub, uint64_t stream_id) {
  pthread_mutex_lock(&hub->mutex);
  stream **link = &hub->streams;
  while (*link != NULL && (*link)->id != stream_id) link = &(*link)->next;
  stream *found = *link;
  if (found != NULL) {
    *link = found->next;
    stop_datagrams(found);
    if (found->controller != NULL) epoll_ctl(hub->epoll_fd, EPOLL_CTL_DEL, found->controller->socket_fd, NULL);
    free(found);
  }
  pthread_mutex_unlock(&hub->mutex);
  return found == NULL ? refuse_id(stream_id) : 0;
}

int tele_hub_arm(tele_hub *hub, uint64_t stream_id, uint64_t after, uint64_t not_before_ns) {
  pthread_mutex_lock(&hub->mutex);
  stream *stream = find_stream(hub, stream_id);
  if (stream != NULL) {
    stream->armed = true;
    stream->after = after;
    stream->not_before_ns = not_before_ns;
    wake_sleeper(hub);
  }
  pthread_mutex_unlock(&hub->mutex);
  return stream == NULL ? refuse_id(stream_id) : 0;
}

int tele_hub_disarm(tele_hub *hub, uint64_t stream_id) {
  pthread_mutex_lock(&hub->mutex);
  stream *stream = find_stream(hub, stream_id);
  if (stream != NULL) {
    stream->armed = false;
    stop_datagrams(stream);
  }
  pthread_mutex_unlock(&hub->mutex);
  return stream == NULL ? refuse_id(stream_id) : 0;
}

int tele_hub_wake(tele_hub *hub) {
  pthread_mutex_lock(&hub->mutex);
  hub->wake_requested = true;
  wake_sleeper(hub);
  pthread_mutex_unlock(&hub->mutex);
  return 0;
}

void tele_hub_destroy(tele_hub *hub) {
  if (hub == NULL) return;
  while (hub->streams != NULL) tele_hub_remove(hub, hub->streams->id);
  if (hub->wake_fd >= 0) close(hub->wake_fd);
  if (hub->epoll_fd >= 0) close(hub->epoll_fd);
  pthread_mutex_destroy(&hub->mutex);
  free(hub);
}
