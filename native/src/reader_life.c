/* How a run is: truncated, replaced, owned by a living process, closed or dead. */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#include "error.h"
#include "guard.h"
#include "reader.h"

int reader_fault(const tele_reader *reader) {
  if (!guard_faulted(reader->region)) return 0;
  return error_set(EFAULT, "run \"%s\" is lost: its segment of %llu bytes was truncated while it was read",
                   reader->run_id, (unsigned long long)reader->mapped_bytes);
}

int reader_check_size(const tele_reader *reader) {
  struct stat found = {0};
  int fault = reader_fault(reader);
  if (fault < 0) return fault;
  if (fstat(reader->file->fd, &found) == 0 && (uint64_t)found.st_size >= reader->mapped_bytes) return 0;
  return error_set(EFAULT, "run \"%s\" is lost: its segment was truncated to %llu bytes, expected %llu", reader->run_id,
                   (unsigned long long)found.st_size, (unsigned long long)reader->mapped_bytes);
}

bool reader_may_be_dead(const tele_reader *reader) {
  uint32_t flags = atomic_load_explicit(&reader->segment->flags, memory_order_acquire);
  return (flags & TELE_FLAG_OWNER_LOCK) == 0 && kill((pid_t)reader->producer_pid, 0) < 0 && errno == ESRCH;
}

/* In another pid namespace the pid means nothing here, hence the look at head. Whoever is asked to pause may stand
 * still for as long as that. */
static bool head_stands_still(const tele_reader *reader, head_watch *watch) {
  uint64_t now_ns = clock_mono_ns();
  uint64_t head = atomic_load_explicit(&reader->segment->head, memory_order_relaxed);
  tele_controls controls;
  segment_controls(reader->segment, &controls);
  if (watch->since_ns == 0 || watch->head != head || controls.pause_requested != 0)
    *watch = (head_watch){.head = head, .since_ns = now_ns};
  return now_ns - watch->since_ns >= FOREIGN_DEAD_NS;
}

tele_owner reader_owner(const tele_reader *reader, head_watch *watch) {
  /* SYNC ring.closed: pairs with tele_producer_close() */
  uint32_t flags = atomic_load_explicit(&reader->segment->flags, memory_order_acquire);
  if ((flags & TELE_FLAG_CLOSED) != 0) return TELE_OWNER_CLOSED;
  if ((flags & TELE_FLAG_OWNER_LOCK) != 0) {
    return segment_file_locked(reader->file) ? TELE_OWNER_ALIVE : TELE_OWNER_DEAD;
  }
  bool still = head_stands_still(reader, watch);
  return still && reader_may_be_dead(reader) ? TELE_OWNER_DEAD : TELE_OWNER_ALIVE;
}

int tele_reader_status(tele_reader *reader, tele_status *status) {
  int fault = reader_check_size(reader);
  if (fault < 0) return fault;
  *status = (tele_status){.head = atomic_load_explicit(&reader->segment->head, memory_order_acquire),
                          .epoch_ns = reader->epoch_ns,
                          .capacity = reader->capacity,
                          .slot_bytes = reader->slot_bytes,
                          .inode = reader->file->inode,
                          .flags = atomic_load_explicit(&reader->segment->flags, memory_order_acquire),
                          .owner = reader_owner(reader, &reader->watch),
                          .producer_pid = reader->producer_pid,
                          .replaced = segment_file_is_at(reader->file, reader->path) != 1};
  segment_controls(reader->segment, &status->controls);
  return reader_fault(reader);
}

int tele_reader_remove_stale(tele_reader *reader) {
  if (reader_owner(reader, &reader->watch) == TELE_OWNER_ALIVE) return 0;
  return segment_file_remove_dead(reader->file, reader->path);
}
