/* The controller: the one process that may steer a run, and its socket. */
#include "controller.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

static void lock_name(const tele_controller *controller, char name[SOCKET_NAME_BYTES]) {
  snprintf(name, SOCKET_NAME_BYTES, "%.90s.lock", controller->name);
}

/* While it is held. */
static void unlink_lock(const tele_controller *controller) {
  char name[SOCKET_NAME_BYTES];
  lock_name(controller, name);
  unlinkat(controller->dir_fd, name, 0);
}

static int refuse_busy(const tele_controller *controller) {
  char pid[16] = "";
  ssize_t chars = pread(controller->lock_fd, pid, sizeof pid - 1, 0);
  return error_set(EBUSY, "cannot control run \"%s\": pid %s controls it", controller->reader->run_id,
                   chars > 0 ? pid : "unknown");
}

/* Takes the flock on <socket>.lock. Its last holder unlinked the file while holding it, so that what we have locked
 * must still be what the name leads to. */
static int take_lock(tele_controller *controller) {
  char name[SOCKET_NAME_BYTES];
  lock_name(controller, name);
  for (;;) {
    controller->lock_fd = openat(controller->dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (controller->lock_fd < 0) {
      return error_set(errno, "cannot control run \"%s\": cannot open %s: %s", controller->reader->run_id, name,
                       strerror(errno));
    }
    if (flock(controller->lock_fd, LOCK_EX | LOCK_NB) < 0) return refuse_busy(controller);
    struct stat locked, named;
    if (fstat(controller->lock_fd, &locked) == 0 &&
        fstatat(controller->dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && locked.st_ino == named.st_ino) {
      break;
    }
    close(controller->lock_fd);
  }
  char pid[16];
  int chars = snprintf(pid, sizeof pid, "%d", (int)getpid());
  if (ftruncate(controller->lock_fd, 0) < 0 || pwrite(controller->lock_fd, pid, (size_t)chars, 0) < 0) {
    return error_set(errno, "cannot control run \"%s\": cannot write %s: %s", controller->reader->run_id, name,
                     strerror(errno));
  }
  return 0;
}

/* Binds the socket, over the one that a killed predecessor left. */
static int bind_socket(tele_controller *controller, const char *dir_path) {
  struct sockaddr_un address;
  int address_bytes = socket_address(dir_path, controller->dir_fd, controller->name, &address);
  if (address_bytes < 0) return address_bytes;
  unlinkat(controller->dir_fd, controller->name, 0);
  controller->socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (controller->socket_fd < 0 ||
      bind(controller->socket_fd, (struct sockaddr *)&address, (socklen_t)address_bytes) < 0) {
    return error_set(errno, "cannot control run \"%s\": cannot bind %s: %s", controller->reader->run_id,
                     controller->name, strerror(errno));
  }
  return 0;
}

/* Nothing that a killed predecessor asked for may come into force with our lease. */
static void clear_words(segment *segment) {
  atomic_store_explicit(&segment->pause_requested, 0, memory_order_relaxed);
  atomic_store_explicit(&segment->rate_max_mhz, 0, memory_order_relaxed);
  atomic_store_explicit(&segment->notify_wanted, 0, memory_order_relaxed);
}

/* Takes the lease, unless it runs: the flock only tells controllers of one runtime directory from each other. A killed
 * predecessor's ends by itself. */
static int take_lease(const tele_controller *controller) {
  segment *segment = controller->reader->segment;
  uint64_t until_ns = atomic_load_explicit(&segment->controller_until_ns, memory_order_acquire);
  uint64_t now_ns = clock_mono_ns();
  if (!lease_runs(segment, now_ns)) {
    clear_words(segment);
    if (atomic_compare_exchange_strong_explicit(&segment->controller_until_ns, &until_ns, now_ns + LEASE_NS,
                                                memory_order_acq_rel, memory_order_relaxed)) {
      return 0;
    }
  }
  return error_set(EBUSY,
                   "cannot control run \"%s\": a controller with another runtime directory holds its lease, or one "
                   "that died less than 2 s ago",
                   controller->reader->run_id);
}

int tele_controller_open(tele_reader *reader, tele_controller **controller) {
  char dir_path[PATH_MAX];
  int result = runtime_dir_path(dir_path, sizeof dir_path);
  if (result < 0) return result;
  tele_controller *made = malloc(sizeof *made);
  if (made == NULL) return error_set(ENOMEM, "cannot control run \"%s\": no memory", reader->run_id);
  *made = (tele_controller){.reader = reader, .lock_fd = -1, .socket_fd = -1};
  socket_name(reader->run_id, made->name);
  made->dir_fd = runtime_dir_open(dir_path, true);
  result = made->dir_fd < 0 ? made->dir_fd : take_lock(made);
  bool locked = result == 0;
  if (locked) result = take_lease(made);
  if (result == 0) {
    /* Keys that the predecessor's viewer held down are not held down now. */
    made->release_due = atomic_load_explicit(&reader->segment->input_head, memory_order_relaxed) != 0;
    input_release(made);
    result = bind_socket(made, dir_path);
    if (result == 0) result = reader_fault(reader);
    if (result < 0) {
      tele_controller_close(made);
      return result;
    }
    *controller = made;
    return 0;
  }
  if (locked) unlink_lock(made);
  if (made->lock_fd >= 0) close(made->lock_fd);
  if (made->dir_fd >= 0) close(made->dir_fd);
  free(made);
  return result;
}

int tele_controller_renew(tele_controller *controller) {
  /* SYNC ring.lease: pairs with lease_runs() in segment.h */
  atomic_store_explicit(&controller->reader->segment->controller_until_ns, clock_mono_ns() + LEASE_NS,
                        memory_order_release);
  return reader_fault(controller->reader);
}

int tele_controller_set_pause(tele_controller *controller, uint32_t paused) {
  atomic_store_explicit(&controller->reader->segment->pause_requested, paused != 0, memory_order_relaxed);
  return reader_fault(controller->reader);
}

int tele_controller_set_rate_max(tele_controller *controller, uint32_t rate_max_mhz) {
  atomic_store_explicit(&controller->reader->segment->rate_max_mhz, rate_max_mhz, memory_order_relaxed);
  return reader_fault(controller->reader);
}

int tele_controller_set_sampled(tele_controller *controller, uint64_t tail, uint64_t frames_skipped) {
  atomic_store_explicit(&controller->reader->segment->tail, tail, memory_order_relaxed);
  atomic_store_explicit(&controller->reader->segment->frames_skipped, frames_skipped, memory_order_relaxed);
  return reader_fault(controller->reader);
}

int tele_controller_send_inputs(tele_controller *controller, const tele_input *events, uint32_t events_count) {
  int written = input_send(controller, events, events_count);
  int fault = reader_fault(controller->reader);
  return fault < 0 ? fault : written;
}

int tele_controller_inputs(tele_controller *controller, uint64_t *head, uint64_t *tail) {
  input_counts(controller->reader->segment, head, tail);
  return reader_fault(controller->reader);
}

void tele_controller_close(tele_controller *controller) {
  if (controller == NULL) return;
  segment *segment = controller->reader->segment;
  clear_words(segment);
  atomic_store_explicit(&segment->controller_until_ns, 0, memory_order_release);
  if (controller->socket_fd >= 0) {
    unlinkat(controller->dir_fd, controller->name, 0);
    close(controller->socket_fd);
  }
  unlink_lock(controller);
  close(controller->lock_fd);
  close(controller->dir_fd);
  free(controller);
}
