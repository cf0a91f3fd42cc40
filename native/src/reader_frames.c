/* Taking frames out of the slots: the reader's half of the seqlock, and the bounds of everything that a slot says. */
#include <errno.h>
#include <string.h>

#include "error.h"
#include "picture.h"
#include "reader.h"

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
  uint64_t frame;
  uint64_t seq;
  tele_slot_header header;
} sighting;

/* SYNC ring.publish: pairs with write_slot() in publish.c */
static bool still_stable(slot *slot, uint64_t seq) {
  atomic_thread_fence(memory_order_acquire);
  return atomic_load_explicit(&slot->words[0], memory_order_relaxed) == seq;
}

/* Without a width there is no overlay, whatever the other fields say; whoever gets the header need not know that. */
static void clear_absent_overlay(tele_slot_header *header) {
  if (header->overlay_width != 0) return;
  header->overlay_height = header->overlay_format = header->overlay_bytes = header->overlay_offset = 0;
}

/* After ATTEMPTS_MAX: 0, the writer was always faster; -EPROTO, head was stored and the slot was not. An honest writer
 * stores seq first, so that acquiring head shows it. */
static int give_up(const tele_reader *reader, const sighting *last) {
  if (last->seq >= 2 * last->frame) return 0;
  return refuse_slot(reader, last->frame, "its seq", last->seq, 2 * last->frame);
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
  /* SYNC ring.publish: pairs with write_slot() in publish.c */
  words[0] = atomic_load_explicit(&found->slot->words[0], memory_order_acquire);
  found->frame = frame;
  found->seq = words[0];
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
  clear_absent_overlay(&found->header);
  return result < 0 ? result : 1;
}

static void count(_Atomic uint64_t *counter) {
  /* One writer, so that a plain store will do. */
  atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

int tele_reader_read(tele_reader *reader, uint64_t after, uint32_t mode, void *buffer, uint64_t buffer_bytes,
                     uint64_t *bytes_out) {
  count(&reader->reads);
  sighting found;
  for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
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
  return give_up(reader, &found);
}

int tele_reader_begin(tele_reader *reader, uint64_t after, uint32_t mode, tele_slot_header *header,
                      const void **payload) {
  count(&reader->reads);
  sighting found;
  for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    int result = sight(reader, after, mode, &found);
    if (result == 1) {
      *header = found.header;
      *payload = found.slot->payload;
    }
    if (result != -EAGAIN) return result;
    count(&reader->retries);
  }
  return give_up(reader, &found);
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
