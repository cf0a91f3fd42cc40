/*
 * The segment as it lies in memory: the header and the slots of docs/ring.md as C structs.
 *
 * Words that two processes touch at the same time are _Atomic. A lock-free _Atomic has the representation of its
 * plain type (asserted below), so that these structs are the contract's bytes.
 */
#ifndef TELE_SEGMENT_H
#define TELE_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "clock.h"
#include "telebridge.h"

/* Where POSIX shared memory lives on Linux. Files are opened by path, since shm_open() has no stat() beside it and
 * opening only to look would drop the owner's lock when the descriptor is closed again (segment_file.h). */
#define SEGMENT_DIR "/dev/shm"

/* The test of lost wake-ups is built with longer intervals: the usual ones would hide a loss. */
#ifndef INTERVAL_SCALE
#define INTERVAL_SCALE 1
#endif

/* How long a controller's words count after each renewal, and how often it renews. */
#define LEASE_NS (2 * NS_PER_S * INTERVAL_SCALE)
#define LEASE_RENEW_NS (NS_PER_S / 2 * INTERVAL_SCALE)

/* A producer without the owner's lock is dead when its pid is gone and head stood still for this long; a segment
 * that never got its magic word is given up after the same time. */
#define FOREIGN_DEAD_NS (10 * NS_PER_S)

#define HUD_WORDS (sizeof(tele_hud) / sizeof(uint64_t))
#define SLOT_WORDS (TELE_SLOT_HEADER_BYTES / sizeof(uint64_t))

typedef struct segment {
  _Atomic uint32_t magic;
  uint32_t version;
  _Atomic uint32_t flags;
  uint32_t header_bytes;
  uint64_t capacity;
  uint64_t slot_bytes;
  uint64_t payload_bytes_max;
  uint64_t epoch_ns;
  uint32_t producer_pid;
  uint8_t reserved_52[12];
  _Atomic uint64_t head;
  uint8_t reserved_72[72];
  _Atomic uint32_t keyframe_requests;
  _Atomic uint32_t rate_max_mhz;
  _Atomic uint32_t pause_requested;
  _Atomic uint32_t notify_wanted;
  _Atomic uint64_t controller_until_ns;
  uint8_t reserved_168[24];
  _Atomic uint64_t hud_seq;
  _Atomic uint64_t hud[HUD_WORDS];
  uint8_t reserved_256[64];
  _Atomic uint64_t tail;
  _Atomic uint64_t frames_skipped;
  uint8_t reserved_336[3760];
  _Atomic uint64_t input_head;
  _Atomic uint64_t inputs_dropped;
  uint8_t reserved_4112[48];
  _Atomic uint64_t input_tail;
  uint8_t reserved_4168[56];
  tele_input input_events[TELE_INPUT_EVENTS_MAX];
  uint8_t reserved_12416[3968];
} segment;

/* A slot's header as 16 words, of which word 0 is the seqlock. Copying it word by word with relaxed atomics keeps the
 * compiler from reading a field twice, and costs what a memcpy costs. */
typedef struct slot {
  _Atomic uint64_t words[SLOT_WORDS];
  uint8_t payload[];
} slot;

#define ASSERT_OFFSET(field, offset) _Static_assert(offsetof(segment, field) == (offset), "offset of " #field)
ASSERT_OFFSET(magic, TELE_OFFSET_MAGIC);
ASSERT_OFFSET(flags, TELE_OFFSET_FLAGS);
ASSERT_OFFSET(header_bytes, TELE_OFFSET_HEADER_BYTES);
ASSERT_OFFSET(capacity, TELE_OFFSET_CAPACITY);
ASSERT_OFFSET(slot_bytes, TELE_OFFSET_SLOT_BYTES);
ASSERT_OFFSET(payload_bytes_max, TELE_OFFSET_PAYLOAD_BYTES_MAX);
ASSERT_OFFSET(epoch_ns, TELE_OFFSET_EPOCH_NS);
ASSERT_OFFSET(producer_pid, TELE_OFFSET_PRODUCER_PID);
ASSERT_OFFSET(head, TELE_OFFSET_HEAD);
ASSERT_OFFSET(keyframe_requests, TELE_OFFSET_KEYFRAME_REQUESTS);
ASSERT_OFFSET(rate_max_mhz, TELE_OFFSET_RATE_MAX_MHZ);
ASSERT_OFFSET(pause_requested, TELE_OFFSET_PAUSE_REQUESTED);
ASSERT_OFFSET(notify_wanted, TELE_OFFSET_NOTIFY_WANTED);
ASSERT_OFFSET(controller_until_ns, TELE_OFFSET_CONTROLLER_UNTIL);
ASSERT_OFFSET(hud_seq, TELE_OFFSET_HUD_SEQ);
ASSERT_OFFSET(hud, TELE_OFFSET_HUD);
ASSERT_OFFSET(tail, TELE_OFFSET_TAIL);
ASSERT_OFFSET(frames_skipped, TELE_OFFSET_FRAMES_SKIPPED);
ASSERT_OFFSET(input_head, TELE_OFFSET_INPUT_HEAD);
ASSERT_OFFSET(inputs_dropped, TELE_OFFSET_INPUTS_DROPPED);
ASSERT_OFFSET(input_tail, TELE_OFFSET_INPUT_TAIL);
ASSERT_OFFSET(input_events, TELE_OFFSET_INPUT_EVENTS);
#undef ASSERT_OFFSET
_Static_assert(sizeof(segment) == TELE_HEADER_BYTES, "header size");
_Static_assert(sizeof(slot) == TELE_SLOT_HEADER_BYTES, "slot header size");
_Static_assert(sizeof(tele_slot_header) == TELE_SLOT_HEADER_BYTES, "public slot header size");
_Static_assert(sizeof(tele_hud) == 56 && sizeof(tele_input) == 32, "sizes of the blocks in the header");
_Static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint32_t) == 4 && ATOMIC_LLONG_LOCK_FREE == 2 &&
                   ATOMIC_INT_LOCK_FREE == 2,
               "atomic words must be plain lock-free words");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the contract's integers are little-endian");

static inline slot *segment_slot(segment *mapped, uint64_t slot_bytes, uint64_t index) {
  return (slot *)((uint8_t *)mapped + TELE_HEADER_BYTES + index * slot_bytes);
}

/* Whether a controller's words count. A lease much further ahead than one renewal gives cannot be an honest one; a
 * little further it may be, when it was renewed after the caller read the clock. */
static inline bool lease_runs(const segment *mapped, uint64_t now_mono_ns) {
  /* SYNC ring.lease: pairs with tele_controller_renew() */
  uint64_t until_ns = atomic_load_explicit(&mapped->controller_until_ns, memory_order_acquire);
  return until_ns > now_mono_ns && until_ns - now_mono_ns <= 2 * LEASE_NS;
}

/* The controller's words as they count at this moment: pause and rate cap are 0 once the lease is past. */
static inline void segment_controls(const segment *mapped, tele_controls *controls) {
  *controls =
      (tele_controls){.controller_alive = lease_runs(mapped, clock_mono_ns()),
                      .keyframe_requests = atomic_load_explicit(&mapped->keyframe_requests, memory_order_relaxed)};
  /* After the lease, so that a new one never brings the words of a killed predecessor back. */
  if (controls->controller_alive) {
    controls->pause_requested = atomic_load_explicit(&mapped->pause_requested, memory_order_relaxed);
    controls->rate_max_mhz = atomic_load_explicit(&mapped->rate_max_mhz, memory_order_relaxed);
  }
}

#endif
