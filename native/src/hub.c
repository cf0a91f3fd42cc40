/*
 * The hub: one blocking wait for all streams.
 *
 * All state is under one mutex, which is never held while tele_hub_next() blocks. A pass over the streams finds what
 * is ready, asks the producers of armed streams for datagrams, and tells how long to sleep; whoever changes a stream
 * meanwhile wakes the sleeper for another pass. Removing a stream takes the mutex, so that its reader is not touched
 * after tele_hub_remove() returns; what epoll reports is only an id, looked up again under the mutex.
 */
#include "hub.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"

#define EPOLL_EVENTS 64
/* Stands for the eventfd among the stream numbers. */
#define WAKE_NUMBER UINT64_MAX

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

bool hub_knows(const tele_hub *hub, uint64_t id) {
  for (const hub_source *each = hub->sources; each != NULL; each = each->next) {
    if (each->id == id) return true;
  }
  return find_stream(hub, id) != NULL;
}

static int refuse_id(uint64_t stream_id) {
  return error_set(ENOENT, "the hub has no stream %llu", (unsigned long long)stream_id);
}

/* Takes note of what ended the sleep. */
static void after_sleep(tele_hub *hub, const struct epoll_event *ready, int ready_count) {
  for (int i = 0; i < ready_count; i++) {
    eventfd_t wakes;
    stream *stream = find_number(hub, ready[i].data.u64);
    if (stream != NULL) stream->readable = stream->datagram_came = true;
    if (ready[i].data.u64 == WAKE_NUMBER) eventfd_read(hub->wake_fd, &wakes);
  }
}

/* Sleeps until something is ready or the deadline, which falls between two ms where a frame has its turn. */
static int sleep_on(const tele_hub *hub, uint64_t until_ns, struct epoll_event *ready) {
  uint64_t now_ns = clock_mono_ns();
  struct timespec duration = timespec_of_ns(until_ns > now_ns ? until_ns - now_ns : 0);
  /* By number, since glibc has it from 2.35 only. */
  int ready_count = (int)syscall(SYS_epoll_pwait2, hub->epoll_fd, ready, EPOLL_EVENTS, &duration, NULL, (size_t)0);
  if (ready_count < 0 && errno != EINTR) { /* ENOSYS before Linux 5.11; EPERM from a filter that does not know it */
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
    for (stream *each = hub->streams; each != NULL; each = each->next) stream_look_at(each, &harvest);
    for (hub_source *each = hub->sources; each != NULL; each = each->next) hub_source_look_at(each, &harvest);
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

void hub_unlock_and_wake(tele_hub *hub) {
  bool sleeping = hub->sleeping;
  pthread_mutex_unlock(&hub->mutex);
  if (sleeping) eventfd_write(hub->wake_fd, 1);
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
  if (hub_knows(hub, stream_id)) {
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
  }
  hub_unlock_and_wake(hub);
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
    stream_stop_datagrams(found);
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
  }
  hub_unlock_and_wake(hub);
  return stream == NULL ? refuse_id(stream_id) : 0;
}

int tele_hub_disarm(tele_hub *hub, uint64_t stream_id) {
  pthread_mutex_lock(&hub->mutex);
  stream *stream = find_stream(hub, stream_id);
  if (stream != NULL) {
    stream->armed = false;
    stream_stop_datagrams(stream);
  }
  pthread_mutex_unlock(&hub->mutex);
  return stream == NULL ? refuse_id(stream_id) : 0;
}

int tele_hub_wake(tele_hub *hub) {
  pthread_mutex_lock(&hub->mutex);
  hub->wake_requested = true;
  hub_unlock_and_wake(hub);
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
