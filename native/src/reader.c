/* The reader: attaches, trusts nothing that it maps, and takes frames and numbers out of the segment. */
#include "reader.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "guard.h"
#include "picture.h"

/* A slot is overwritten only capacity - 1 publications after it became the newest, so that even one repetition is
 * rare. A writer that laps every one of these is no honest one, or the ring is far too small: "no new frame". */
#define ATTEMPTS_MAX 64

/* ---- Opening ---------------------------------------------------------------------------------- */

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

/* ---- State of the run ------------------------------------------------------------------------- */

int reader_fault(const tele_reader *reader) {
  if (!guard_faulted(reader->region)) return 0;
  return error_set(EFAULT, "run \"%s\" is lost: its segment of %llu bytes was truncated while it was read",
                   reader->run_id, (unsigned long long)reader->mapped_bytes);
}

int reader_check_size(const tele_reader *reader) {
  struct stat found;
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

/* In another pid namespace the pid means nothing here, hence the look at head. */
static bool head_stands_still(const tele_reader *reader, head_watch *watch) {
  uint64_t now_ns = clock_mono_ns();
  uint64_t head = atomic_load_explicit(&reader->segment->head, memory_order_relaxed);
  if (watch->since_ns == 0 || watch->head != head) *watch = (head_watch){.head = head, .since_ns = now_ns};
  return now_ns - watch->since_ns >= FOREIGN_DEAD_NS;
}

tele_owner reader_owner(const tele_reader *reader, head_watch *watch) {
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

/* ---- Frames ----------------------------------------------------------------------------------- */

static int refuse_slot(const tele_reader *reader, uint64_t frame, const char *field, uint64_t found,
                       uint64_t expected) {
  return error_set(EPROTO, "cannot read frame %llu of run \"%s\": %s is %llu, expected %llu", (unsigned long long)frame,
                   reader->run_id, field, (unsigned long long)found, (unsigned long long)expected);
}

/* Bounds everything that a slot says, so that whoever gets the frame can rely on it. */
static int check_slot(const tele_reader *reader, uint64_t frame, const tele_slot_header *header) {
  if (header->frame != frame) return refuse_slot(reader, frame, "its number", header->frame, frame);
  if (header->bytes > reader->payload_bytes_max) {
    return refuse_slot(reader, frame, "bytes", header->bytes, reader->payload_bytes_max);
  }
  if (!format_is_known(header->format)) return refuse_slot(reader, frame, "format", header->format, TELE_FORMAT_RGB8);
  if (header->width - 1 >= PICTURE_SIDE_MAX)
    return refuse_slot(reader, frame, "width", header->width, PICTURE_SIDE_MAX);
  if (header->height - 1 >= PICTURE_SIDE_MAX) {
    return refuse_slot(reader, frame, "height", header->height, PICTURE_SIDE_MAX);
  }
  uint64_t pixels_end = 1; /* an access unit or a JPEG has at least a byte */
  if (format_is_raw(header->format)) {
    uint32_t stride_min = picture_stride_min(header->format, header->width);
    if (header->stride < stride_min) return refuse_slot(reader, frame, "stride", header->stride, stride_min);
    pixels_end = picture_bytes(header->format, header->stride, header->height);
  }
  if (header->bytes < pixels_end) return refuse_slot(reader, frame, "bytes", header->bytes, pixels_end);
  if (header->overlay_width == 0) return 0;
  if (header->overlay_format != TELE_OVERLAY_HEAT8) {
    return refuse_slot(reader, frame, "overlay_format", header->overlay_format, TELE_OVERLAY_HEAT8);
  }
  uint64_t overlay_bytes = (uint64_t)header->overlay_width * header->overlay_height;
  if (header->overlay_bytes != overlay_bytes || overlay_bytes == 0) {
    return refuse_slot(reader, frame, "overlay_bytes", header->overlay_bytes, overlay_bytes);
  }
  if (header->overlay_offset < pixels_end || header->overlay_offset % PAYLOAD_ALIGNMENT != 0) {
    return refuse_slot(reader, frame, "overlay_offset", header->overlay_offset, align_payload(pixels_end));
  }
  if (header->overlay_offset + overlay_bytes > header->bytes) {
    return refuse_slot(reader, frame, "the overlay's end", header->overlay_offset + overlay_bytes, header->bytes);
  }
  return 0;
}

/* A slot as it was found: where it lies and what it said. */
typedef struct sighting {
  slot *slot;
  tele_slot_header header;
} sighting;

/* SYNC ring.publish: pairs with write_slot() in producer.c */
static bool still_stable(slot *slot, uint64_t seq) {
  atomic_thread_fence(memory_order_acquire);
  return atomic_load_explicit(&slot->words[0], memory_order_relaxed) == seq;
}

/* Looks up the frame to read. 1 found, its header bounded; 0 no new one; -EAGAIN the slot is changing, look again;
 * -ESTALE, -EPROTO, -EFAULT. */
static int sight(tele_reader *reader, uint64_t after, uint32_t mode, sighting *found) {
  uint64_t head = atomic_load_explicit(&reader->segment->head, memory_order_acquire);
  int fault = reader_fault(reader);
  if (fault < 0) return fault;
  if (head < reader->head_seen || head <= after) return 0;
  reader->head_seen = head;
  uint64_t frame = mode == TELE_READ_NEXT ? after + 1 : head;
  if (head - frame >= reader->capacity) {
    return error_set(ESTALE, "frame %llu of run \"%s\" is overwritten: the newest is %llu, the ring holds %llu",
                     (unsigned long long)frame, reader->run_id, (unsigned long long)head,
                     (unsigned long long)reader->capacity);
  }
  found->slot = segment_slot(reader->segment, reader->slot_bytes, (frame - 1) % reader->capacity);
  uint64_t words[SLOT_WORDS];
  /* SYNC ring.publish: pairs with write_slot() in producer.c */
  words[0] = atomic_load_explicit(&found->slot->words[0], memory_order_acquire);
  if (words[0] != 2 * frame) {
    fault = reader_fault(reader);
    if (fault < 0) return fault;
    if (mode == TELE_READ_NEXT && words[0] > 2 * frame) {
      return error_set(ESTALE, "frame %llu of run \"%s\" is being overwritten", (unsigned long long)frame,
                       reader->run_id);
    }
    return -EAGAIN;
  }
  for (size_t i = 1; i < SLOT_WORDS; i++) {
    words[i] = atomic_load_explicit(&found->slot->words[i], memory_order_relaxed);
  }
  if (!still_stable(found->slot, 2 * frame)) return -EAGAIN;
  fault = reader_fault(reader);
  if (fault < 0) return fault;
  memcpy(&found->header, words, sizeof words);
  int result = check_slot(reader, frame, &found->header);
  return result < 0 ? result : 1;
}

static void count(_Atomic uint64_t *counter) {
  /* One writer, so that a plain store will do. */
  atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

int tele_reader_read(tele_reader *reader, uint64_t after, uint32_t mode, void *buffer, uint64_t buffer_bytes,
                     uint64_t *bytes_out) {
  count(&reader->reads);
  for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    sighting found;
    int result = sight(reader, after, mode, &found);
    if (result == 1) {
      *bytes_out = TELE_SLOT_HEADER_BYTES + (uint64_t)found.header.bytes;
      if (*bytes_out > buffer_bytes) {
        return error_set(ENOBUFS, "frame %llu of run \"%s\" needs a buffer of %llu bytes, this one has %llu",
                         (unsigned long long)found.header.frame, reader->run_id, (unsigned long long)*bytes_out,
                         (unsigned long long)buffer_bytes);
      }
      memcpy(buffer, &found.header, TELE_SLOT_HEADER_BYTES);
      memcpy((uint8_t *)buffer + TELE_SLOT_HEADER_BYTES, found.slot->payload, found.header.bytes);
      if (still_stable(found.slot, found.header.seq)) {
        int fault = reader_fault(reader);
        return fault < 0 ? fault : 1;
      }
    } else if (result != -EAGAIN) {
      return result;
    }
    count(&reader->retries);
  }
  return 0;
}

int tele_reader_begin(tele_reader *reader, uint64_t after, uint32_t mode, tele_slot_header *header,
                      const void **payload) {
  count(&reader->reads);
  for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    sighting found;
    int result = sight(reader, after, mode, &found);
    if (result == 1) {
      *header = found.header;
      *payload = found.slot->payload;
    }
    if (result != -EAGAIN) return result;
    count(&reader->retries);
  }
  return 0;
}

int tele_reader_end(tele_reader *reader, const tele_slot_header *header) {
  slot *slot = segment_slot(reader->segment, reader->slot_bytes, (header->frame - 1) % reader->capacity);
  bool stable = still_stable(slot, header->seq);
  int fault = reader_fault(reader);
  if (fault < 0) return fault;
  if (!stable) count(&reader->retries);
  return stable;
}

void tele_reader_counters(const tele_reader *reader, uint64_t *reads, uint64_t *retries) {
  *reads = atomic_load_explicit(&reader->reads, memory_order_relaxed);
  *retries = atomic_load_explicit(&reader->retries, memory_order_relaxed);
}

/* ---- Numbers and requests --------------------------------------------------------------------- */

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
  return 0;
}

int tele_reader_request_keyframe(tele_reader *reader) {
  atomic_fetch_add_explicit(&reader->segment->keyframe_requests, 1, memory_order_relaxed);
  return reader_fault(reader);
}
