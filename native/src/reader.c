/* Attaching a reader, which trusts nothing that it maps; and the small things that it takes from the header. */
#include "reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "guard.h"
#include "picture.h"

static int refuse_header(const tele_reader *reader, const char *field, uint64_t found, uint64_t expected) {
  return error_set(EPROTO, "cannot open run \"%s\": %s is %llu, expected %llu", reader->run_id, field,
                   (unsigned long long)found, (unsigned long long)expected);
}

static int map_segment(tele_reader *reader) {
  struct stat found;
  if (fstat(reader->file->fd, &found) < 0) {
    return error_set(errno, "cannot open run \"%s\": %s", reader->run_id, strerror(errno));
  }
  if (found.st_uid != geteuid()) {
    return error_set(EPERM, "cannot open run \"%s\": its segment belongs to user %u, we are %u", reader->run_id,
                     (unsigned)found.st_uid, (unsigned)geteuid());
  }
  if (found.st_size == 0) return error_set(EAGAIN, "run \"%s\" is not ready yet: its segment is empty", reader->run_id);
  if (found.st_size < TELE_HEADER_BYTES) {
    return refuse_header(reader, "the segment's size", (uint64_t)found.st_size, TELE_HEADER_BYTES);
  }
  reader->mapped_bytes = (uint64_t)found.st_size;
  void *mapped = mmap(NULL, reader->mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, reader->file->fd, 0);
  if (mapped == MAP_FAILED) {
    return error_set(errno, "cannot open run \"%s\": cannot map %llu bytes: %s", reader->run_id,
                     (unsigned long long)reader->mapped_bytes, strerror(errno));
  }
  reader->segment = mapped;
  reader->region = guard_add(mapped, reader->mapped_bytes);
  if (reader->region < 0) {
    return error_set(-reader->region, "cannot open run \"%s\": %d segments are open in this process already",
                     reader->run_id, GUARD_REGIONS_MAX);
  }
  return 0;
}

static int check_header(tele_reader *reader) {
  const segment *segment = reader->segment;
  /* SYNC ring.ready: pairs with write_header() in producer.c */
  uint32_t magic = atomic_load_explicit(&segment->magic, memory_order_acquire);
  if (magic == 0) {
    int fault = reader_fault(reader);
    return fault < 0 ? fault : error_set(EAGAIN, "run \"%s\" is not ready yet: its magic is 0", reader->run_id);
  }
  uint32_t version = segment->version;
  uint32_t header_bytes = segment->header_bytes;
  reader->capacity = segment->capacity;
  reader->slot_bytes = segment->slot_bytes;
  reader->payload_bytes_max = segment->payload_bytes_max;
  reader->epoch_ns = segment->epoch_ns;
  reader->producer_pid = segment->producer_pid;
  /* The copies are what is checked and used: the compiler may not go back to the mapping for them. */
  atomic_thread_fence(memory_order_acquire);
  int fault = reader_fault(reader);
  if (fault < 0) return fault;
  if (magic != TELE_MAGIC) return refuse_header(reader, "magic", magic, TELE_MAGIC);
  if (version != TELE_VERSION) return refuse_header(reader, "layout version", version, TELE_VERSION);
  if (header_bytes != TELE_HEADER_BYTES) return refuse_header(reader, "header_bytes", header_bytes, TELE_HEADER_BYTES);
  if (reader->capacity < TELE_CAPACITY_MIN) {
    return refuse_header(reader, "capacity", reader->capacity, TELE_CAPACITY_MIN);
  }
  if (reader->capacity > TELE_CAPACITY_MAX) {
    return refuse_header(reader, "capacity", reader->capacity, TELE_CAPACITY_MAX);
  }
  uint64_t slot_bytes_max = (reader->mapped_bytes - TELE_HEADER_BYTES) / reader->capacity;
  if (reader->slot_bytes > slot_bytes_max) {
    return refuse_header(reader, "slot_bytes, for the segment's size and capacity,", reader->slot_bytes,
                         slot_bytes_max);
  }
  if (reader->slot_bytes % PAYLOAD_ALIGNMENT != 0 || reader->slot_bytes <= TELE_SLOT_HEADER_BYTES) {
    return refuse_header(reader, "slot_bytes", reader->slot_bytes,
                         align_payload(reader->slot_bytes) + TELE_SLOT_HEADER_BYTES);
  }
  if (reader->payload_bytes_max != reader->slot_bytes - TELE_SLOT_HEADER_BYTES) {
    return refuse_header(reader, "payload_bytes_max", reader->payload_bytes_max,
                         reader->slot_bytes - TELE_SLOT_HEADER_BYTES);
  }
  return 0;
}

int tele_reader_open(const char *run_id, tele_reader **reader) {
  int result = run_id_check(run_id);
  if (result < 0) return result;
  tele_reader *made = calloc(1, sizeof *made);
  if (made == NULL) return error_set(ENOMEM, "cannot open run \"%s\": no memory", run_id);
  made->region = -1;
  strcpy(made->run_id, run_id);
  segment_path(run_id, made->path);
  result = segment_file_open(made->path, &made->file);
  if (result < 0) {
    bool foreign = result == -EACCES;
    result = error_set(foreign ? EPERM : -result, "cannot open run \"%s\": %s", run_id,
                       result == -ENOENT ? "there is no such run" : strerror(-result));
  }
  if (result == 0) result = map_segment(made);
  if (result == 0) result = check_header(made);
  if (result < 0) {
    tele_reader_close(made);
    return result;
  }
  *reader = made;
  return 0;
}

void tele_reader_close(tele_reader *reader) {
  if (reader == NULL) return;
  if (reader->region >= 0) guard_remove(reader->region);
  if (reader->segment != NULL) munmap(reader->segment, reader->mapped_bytes);
  if (reader->file != NULL) segment_file_release(reader->file);
  free(reader);
}

int tele_reader_hud(tele_reader *reader, tele_hud *hud) {
  segment *segment = reader->segment;
  for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    uint64_t words[HUD_WORDS];
    /* SYNC ring.hud: pairs with tele_producer_set_hud() */
    uint64_t seq = atomic_load_explicit(&segment->hud_seq, memory_order_acquire);
    for (size_t i = 0; i < HUD_WORDS; i++) words[i] = atomic_load_explicit(&segment->hud[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    bool stable = atomic_load_explicit(&segment->hud_seq, memory_order_relaxed) == seq && seq % 2 == 0;
    int fault = reader_fault(reader);
    if (fault < 0) return fault;
    if (seq == 0) return 0;
    if (!stable) continue;
    memcpy(hud, words, sizeof words);
    return 1;
  }
  return error_set(EAGAIN, "cannot read the numbers of run \"%s\": they are being written", reader->run_id);
}

int tele_reader_request_keyframe(tele_reader *reader) {
  atomic_fetch_add_explicit(&reader->segment->keyframe_requests, 1, memory_order_relaxed);
  return reader_fault(reader);
}
