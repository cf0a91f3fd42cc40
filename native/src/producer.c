/* The producer's life: it makes the segment, and removes it. */
#include "producer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"
#include "picture.h"
#include "stale.h"

#define RING_BYTES_DEFAULT (UINT64_C(64) << 20)
#define CAPACITY_DEFAULT_MIN 4u
#define CAPACITY_DEFAULT_MAX 64u

/* Fills in slot_bytes, payload_bytes_max, capacity and mapped_bytes. */
static int choose_geometry(tele_producer *producer, const tele_producer_options *options) {
  uint64_t payload_bytes_max = options->payload_bytes_max;
  /* `bytes` in the slot is a u32, and the rounding below must not pass it either. */
  if (payload_bytes_max == 0 || payload_bytes_max > UINT32_MAX - 2 * PAYLOAD_ALIGNMENT) {
    return error_set(EINVAL, "cannot publish run \"%s\": payload_bytes_max is %llu, expected 1 to %u", producer->run_id,
                     (unsigned long long)payload_bytes_max, UINT32_MAX - 2 * PAYLOAD_ALIGNMENT);
  }
  /* One alignment more than asked for, since an overlay behind the pixels starts at a multiple of it. */
  producer->payload_bytes_max = align_payload(payload_bytes_max) + PAYLOAD_ALIGNMENT;
  producer->slot_bytes = TELE_SLOT_HEADER_BYTES + producer->payload_bytes_max;
  uint64_t capacity = options->capacity;
  if (capacity == 0) {
    capacity = RING_BYTES_DEFAULT / producer->slot_bytes;
    if (capacity < CAPACITY_DEFAULT_MIN) capacity = CAPACITY_DEFAULT_MIN;
    if (capacity > CAPACITY_DEFAULT_MAX) capacity = CAPACITY_DEFAULT_MAX;
  }
  if (capacity < TELE_CAPACITY_MIN || capacity > TELE_CAPACITY_MAX) {
    return error_set(EINVAL, "cannot publish run \"%s\": capacity is %llu slots, expected %u to %u", producer->run_id,
                     (unsigned long long)capacity, TELE_CAPACITY_MIN, TELE_CAPACITY_MAX);
  }
  producer->capacity = capacity;
  producer->mapped_bytes = TELE_HEADER_BYTES + capacity * producer->slot_bytes;
  return 0;
}

/* How long somebody else, `serve` for one, may take to remove the dead segment that we found. */
#define REMOVER_WAIT_NS (500 * NS_PER_MS)
#define REMOVER_NAP_NS (1 * NS_PER_MS)

/* Makes the file, after removing a dead one of the same name. Others may remove it too: then it is gone before our
 * look, or its lock is theirs for a moment, as if it had a living owner. */
static int create_file(tele_producer *producer) {
  uint64_t deadline_ns = 0;
  int result;
  while ((result = segment_file_create(producer->path, &producer->file)) == -EEXIST) {
    int removed = stale_remove(producer->run_id, true);
    if (removed > 0) continue;
    if (removed < 0) {
      if (removed == -EPROTO) break;
      return removed;
    }
    uint64_t now_ns = clock_mono_ns();
    if (deadline_ns == 0) deadline_ns = now_ns + REMOVER_WAIT_NS;
    if (now_ns >= deadline_ns || publisher_is_certain(producer->run_id)) break;
    nap_ns(REMOVER_NAP_NS);
  }
  if (result != -EEXIST) {
    return result == 0 ? 0
                       : error_set(-result, "cannot publish run \"%s\": cannot create %s: %s", producer->run_id,
                                   producer->path, strerror(-result));
  }
  uint32_t pid = publisher_pid(producer->run_id);
  if (pid != 0) {
    return error_set(EEXIST, "cannot publish run \"%s\": already published by pid %u", producer->run_id, pid);
  }
  return error_set(EEXIST, "cannot publish run \"%s\": %s is there already and is no segment of ours", producer->run_id,
                   producer->path);
}

/* A signal ends posix_fallocate(), which then gives everything back: in one piece, a profiler's timer could keep a
 * large ring from ever being done. */
#define RESERVE_BYTES_MAX (UINT64_C(16) << 20)

static int reserve(int fd, uint64_t bytes) {
  for (uint64_t offset = 0; offset < bytes;) {
    uint64_t piece_bytes = bytes - offset < RESERVE_BYTES_MAX ? bytes - offset : RESERVE_BYTES_MAX;
    int code = posix_fallocate(fd, (off_t)offset, (off_t)piece_bytes);
    if (code == 0) {
      offset += piece_bytes;
    } else if (code != EINTR) {
      return code;
    }
  }
  return 0;
}

/* Gives the file its memory now: a full /dev/shm is an error here and not a SIGBUS in publish later. */
static int map_file(tele_producer *producer) {
  int code = reserve(producer->file->fd, producer->mapped_bytes);
  if (code != 0) {
    return error_set(code, "cannot publish run \"%s\": cannot reserve %llu bytes in " SEGMENT_DIR ": %s",
                     producer->run_id, (unsigned long long)producer->mapped_bytes, strerror(code));
  }
  void *mapped =
      mmap(NULL, producer->mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, producer->file->fd, 0);
  if (mapped == MAP_FAILED) {
    return error_set(errno, "cannot publish run \"%s\": cannot map %llu bytes: %s", producer->run_id,
                     (unsigned long long)producer->mapped_bytes, strerror(errno));
  }
  producer->segment = mapped;
  return 0;
}

static void write_header(const tele_producer *producer) {
  segment *segment = producer->segment;
  segment->version = TELE_VERSION;
  segment->header_bytes = TELE_HEADER_BYTES;
  segment->capacity = producer->capacity;
  segment->slot_bytes = producer->slot_bytes;
  segment->payload_bytes_max = producer->payload_bytes_max;
  segment->epoch_ns = clock_real_ns();
  segment->producer_pid = (uint32_t)getpid();
  atomic_store_explicit(&segment->flags, TELE_FLAG_RUNNING | TELE_FLAG_OWNER_LOCK, memory_order_relaxed);
  /* SYNC ring.ready: pairs with check_header() in reader.c */
  atomic_store_explicit(&segment->magic, TELE_MAGIC, memory_order_release);
}

int tele_producer_open(const char *run_id, const tele_producer_options *options, tele_producer **producer) {
  int result = run_id_check(run_id);
  if (result < 0) return result;
  tele_producer *made = calloc(1, sizeof *made);
  if (made == NULL) return error_set(ENOMEM, "cannot publish run \"%s\": no memory", run_id);
  strcpy(made->run_id, run_id);
  segment_path(run_id, made->path);
  result = choose_geometry(made, options);
  if (result == 0) result = create_file(made);
  if (result == 0) result = map_file(made);
  if (result < 0) {
    if (made->file != NULL) {
      unlink(made->path);
      segment_file_unlock(made->file);
      segment_file_release(made->file);
    }
    free(made);
    return result;
  }
  made->generation = fork_generation();
  notifier_open(&made->notifier, run_id);
  write_header(made);
  *producer = made;
  return 0;
}

void tele_producer_close(tele_producer *producer) {
  if (producer == NULL) return;
  if (producer->generation == fork_generation()) {
    /* SYNC ring.closed: pairs with reader_owner() and stream_look_at(), which see the last frame then as well */
    atomic_fetch_or_explicit(&producer->segment->flags, TELE_FLAG_CLOSED, memory_order_release);
    atomic_fetch_and_explicit(&producer->segment->flags, ~(uint32_t)(TELE_FLAG_RUNNING | TELE_FLAG_PAUSED),
                              memory_order_release);
    if (segment_file_is_at(producer->file, producer->path) == 1) unlink(producer->path);
    segment_file_unlock(producer->file);
  }
  notifier_close(&producer->notifier);
  free(producer->notifier.dir_path);
  munmap(producer->segment, producer->mapped_bytes);
  segment_file_release(producer->file);
  free(producer);
}
