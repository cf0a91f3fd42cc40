/*
 * A run's own access units, one after the other: a chain that begins with a keyframe and has no gap.
 *
 * The ring itself is the queue: whoever falls behind finds the units there, or a newer keyframe to go on with. Where
 * there is neither, the producer is asked for one and nothing comes until it is there.
 */
#ifndef TELE_ACCESS_CHAIN_H
#define TELE_ACCESS_CHAIN_H

#include <stdbool.h>

#include "reader.h"

typedef struct access_chain {
  uint64_t after;    /* the unit given out or passed over last */
  uint64_t searched; /* the newest frame that was looked at in search of a keyframe */
  uint64_t passed;   /* units passed over since the last one given out */
  uint64_t asked_ns; /* when the producer was asked for a keyframe last */
  bool whole;        /* the unit behind `after` can be decoded */
} access_chain;

/* A copy of a frame, in a buffer that is kept and grows. */
typedef struct frame_copy {
  uint8_t *bytes; /* a tele_slot_header, then the payload */
  uint64_t bytes_max;
  uint64_t bytes_count;
} frame_copy;

/* Copies the next unit. 1 with one; 0 none yet (head must pass access_chain_awaits() first), or the next frame is no
 * access unit; -ENOMEM, -EPROTO, -EFAULT. */
int access_chain_next(access_chain *chain, tele_reader *reader, frame_copy *unit);

/* A frame newer than this may bring the next unit. */
uint64_t access_chain_awaits(const access_chain *chain);

/* The unit given out last could not be decoded: nothing is given out before the next keyframe, which is asked for. */
void access_chain_break(access_chain *chain);

/* Asks the producer for a keyframe, unless it was asked just now. */
void access_chain_ask(access_chain *chain, tele_reader *reader);

/* Goes back to the newest keyframe that the ring holds, so that what follows is given out once more. False, and nothing
 * changed, when it holds none. */
bool access_chain_rewind(access_chain *chain, tele_reader *reader);

/* The newest keyframe that is numbered over `after` and not over `frame`; 0 when the ring holds none. Only headers are
 * read. */
uint64_t access_chain_keyframe_at_most(tele_reader *reader, uint64_t frame, uint64_t after);

/* As tele_reader_read(), into the copy. -ENOMEM too. */
int frame_copy_read(frame_copy *copy, tele_reader *reader, uint64_t after, uint32_t mode);

tele_slot_header frame_copy_header(const frame_copy *copy);

/* Bytes of the access unit or the JPEG: all in front of the overlay. */
uint32_t coded_bytes(const tele_slot_header *header);

#endif
