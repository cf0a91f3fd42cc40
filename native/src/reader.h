/* A reader's state, and the parts of it that the hub may use from its own thread. */
#ifndef TELE_READER_H
#define TELE_READER_H

#include "paths.h"
#include "segment.h"
#include "segment_file.h"

/* Since when head has stood still, for producers without the owner's lock. One per thread that asks. */
typedef struct head_watch {
  uint64_t head;
  uint64_t since_ns; /* 0 = not watched yet */
} head_watch;

/* How often a seqlock is tried. A slot is overwritten only capacity - 1 publications after it became the newest, so
 * that even one repetition is rare; a writer that laps every one of these is no honest one, or the ring is far too
 * small: then there is "no new frame". */
#define ATTEMPTS_MAX 64

struct tele_reader {
  segment *segment;
  segment_file *file;
  uint64_t mapped_bytes;
  int region; /* of the guard */
  /* As found and checked at opening; the mapped ones may change under us. */
  uint64_t capacity;
  uint64_t slot_bytes;
  uint64_t payload_bytes_max;
  uint64_t epoch_ns;
  uint32_t producer_pid;
  head_watch watch;
  uint64_t head_seen;
  _Atomic uint64_t reads;
  _Atomic uint64_t retries;
  char path[SEGMENT_PATH_BYTES];
  char run_id[TELE_RUN_ID_CHARS_MAX + 1];
};

/* -EFAULT with a text when the guard has replaced the mapping. */
int reader_fault(const tele_reader *reader);

/* The same, and when the file is now shorter than what is mapped. One system call. */
int reader_check_size(const tele_reader *reader);

/* TELE_OWNER_*. Two system calls at most. */
tele_owner reader_owner(const tele_reader *reader, head_watch *watch);

/* A producer without the owner's lock whose pid is gone: dead, if head stands still for long enough. */
bool reader_may_be_dead(const tele_reader *reader);

#endif
