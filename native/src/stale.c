#include "stale.h"

#include <errno.h>
#include <sys/stat.h>

#include "paths.h"
#include "reader.h"

#define FOREIGN_NAP_NS (100 * NS_PER_MS)

/* A segment without its magic word is being made right now, unless nothing has happened to it for long. */
static int remove_half_made(const char *run_id) {
  char path[SEGMENT_PATH_BYTES];
  segment_path(run_id, path);
  segment_file *file;
  if (segment_file_open(path, &file) < 0) return 0;
  struct stat found;
  int removed = 0;
  if (stat(path, &found) == 0) {
    uint64_t made_ns = (uint64_t)found.st_mtim.tv_sec * NS_PER_S + (uint64_t)found.st_mtim.tv_nsec;
    if (clock_real_ns() > made_ns + FOREIGN_DEAD_NS) removed = segment_file_remove_dead(file, path);
  }
  segment_file_release(file);
  return removed;
}

int stale_remove(const char *run_id, bool wait) {
  tele_reader *reader;
  int result = tele_reader_open(run_id, &reader);
  if (result == -EAGAIN) return remove_half_made(run_id);
  if (result == -ENOENT) return 0;
  if (result < 0) return result;
  uint64_t deadline_ns = clock_mono_ns() + FOREIGN_DEAD_NS + 2 * FOREIGN_NAP_NS;
  while (wait && reader_owner(reader, &reader->watch) == TELE_OWNER_ALIVE && reader_may_be_dead(reader) &&
         clock_mono_ns() < deadline_ns) {
    nap_ns(FOREIGN_NAP_NS);
  }
  result = tele_reader_remove_stale(reader);
  tele_reader_close(reader);
  return result;
}

int tele_segment_remove_stale(const char *run_id) { return stale_remove(run_id, false); }

bool publisher_is_certain(const char *run_id) {
  tele_reader *reader;
  int result = tele_reader_open(run_id, &reader);
  if (result < 0) return result != -ENOENT && result != -EAGAIN;
  bool locks = (atomic_load_explicit(&reader->segment->flags, memory_order_acquire) & TELE_FLAG_OWNER_LOCK) != 0;
  bool certain = !locks || (uint32_t)segment_file_locker(reader->file) == reader->producer_pid;
  tele_reader_close(reader);
  return certain;
}

uint32_t publisher_pid(const char *run_id) {
  tele_reader *reader;
  if (tele_reader_open(run_id, &reader) < 0) return 0;
  uint32_t pid = reader->producer_pid;
  tele_reader_close(reader);
  return pid;
}
