#include "access_chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* A producer needs a few frames to answer; asking more often would only make it send more keyframes. */
#define ASK_INTERVAL_NS (250 * NS_PER_MS)
/* Whoever is so many units behind goes on with the newest keyframe, if the ring has one. */
#define UNITS_BEHIND_MAX 4u

int frame_copy_read(frame_copy *copy, tele_reader *reader, uint64_t after, uint32_t mode) {
  for (;;) {
    uint64_t bytes_count = 0;
    int result = tele_reader_read(reader, after, mode, copy->bytes, copy->bytes_max, &bytes_count);
    copy->bytes_count = bytes_count;
    if (result != -ENOBUFS) return result;
    uint64_t bytes_max = bytes_count + bytes_count / 4;
    uint8_t *grown = realloc(copy->bytes, bytes_max);
    if (grown == NULL) {
      return error_set(ENOMEM, "cannot copy a frame of run \"%s\": no memory for %llu bytes", reader->run_id,
                       (unsigned long long)bytes_max);
    }
    copy->bytes = grown;
    copy->bytes_max = bytes_max;
  }
}

tele_slot_header frame_copy_header(const frame_copy *copy) {
  tele_slot_header header;
  memcpy(&header, copy->bytes, sizeof header);
  return header;
}

uint32_t coded_bytes(const tele_slot_header *header) {
  return header->overlay_bytes > 0 ? header->overlay_offset : header->bytes;
}

/* The newest frame that need not be looked at in search of a keyframe. */
static uint64_t known_up_to(const access_chain *chain) {
  return chain->after > chain->searched ? chain->after : chain->searched;
}

uint64_t access_chain_awaits(const access_chain *chain) { return chain->whole ? chain->after : known_up_to(chain); }

void access_chain_break(access_chain *chain) { chain->whole = false; }

void access_chain_ask(access_chain *chain, tele_reader *reader) {
  uint64_t now_ns = clock_mono_ns();
  if (chain->asked_ns != 0 && now_ns - chain->asked_ns < ASK_INTERVAL_NS) return;
  chain->asked_ns = now_ns;
  tele_reader_request_keyframe(reader);
}

uint64_t access_chain_keyframe_at_most(tele_reader *reader, uint64_t frame, uint64_t after) {
  tele_slot_header header;
  const void *payload;
  for (; frame > after; frame--) {
    if (tele_reader_begin(reader, frame - 1, TELE_READ_NEXT, &header, &payload) != 1) return 0;
    if (header.format == TELE_FORMAT_H264 && (header.flags & TELE_FRAME_KEYFRAME) != 0) return frame;
  }
  return 0;
}

/* The newest keyframe over `after`; 0 when the ring holds none. */
static uint64_t newest_keyframe(tele_reader *reader, uint64_t after, uint64_t *head) {
  tele_slot_header header;
  const void *payload;
  if (tele_reader_begin(reader, after, TELE_READ_NEWEST, &header, &payload) != 1) return 0;
  *head = header.frame;
  return access_chain_keyframe_at_most(reader, header.frame, after);
}

bool access_chain_rewind(access_chain *chain, tele_reader *reader) {
  uint64_t head;
  uint64_t keyframe = newest_keyframe(reader, 0, &head);
  if (keyframe == 0) return false;
  chain->after = keyframe - 1;
  chain->whole = true;
  return true;
}

static void go_to(access_chain *chain, uint64_t keyframe) {
  if (chain->after != 0) chain->passed += keyframe - 1 - chain->after;
  chain->after = keyframe - 1;
  chain->whole = true;
}

/* Whoever is far behind is better off with a newer keyframe. */
static void catch_up(access_chain *chain, tele_reader *reader) {
  uint64_t head = atomic_load_explicit(&reader->segment->head, memory_order_acquire);
  if (head <= chain->after + UNITS_BEHIND_MAX) return;
  uint64_t keyframe = newest_keyframe(reader, known_up_to(chain), &chain->searched);
  if (keyframe != 0) {
    go_to(chain, keyframe);
  } else {
    access_chain_ask(chain, reader);
  }
}

static int find_start(access_chain *chain, tele_reader *reader) {
  uint64_t keyframe = newest_keyframe(reader, known_up_to(chain), &chain->searched);
  int fault = reader_fault(reader);
  if (fault < 0) return fault;
  if (keyframe == 0) {
    access_chain_ask(chain, reader);
    return 0;
  }
  go_to(chain, keyframe);
  return 1;
}

int access_chain_next(access_chain *chain, tele_reader *reader, frame_copy *unit) {
  for (;;) {
    if (chain->whole) {
      catch_up(chain, reader);
    } else {
      int found = find_start(chain, reader);
      if (found < 1) return found;
    }
    int result = frame_copy_read(unit, reader, chain->after, TELE_READ_NEXT);
    if (result == -ESTALE) {
      chain->whole = false;
      continue;
    }
    if (result < 1) return result;
    tele_slot_header header = frame_copy_header(unit);
    if (header.format != TELE_FORMAT_H264) {
      chain->whole = false;
      return 0;
    }
    chain->after = header.frame;
    return 1;
  }
}
