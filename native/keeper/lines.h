/*
 * The command's standard output or error, cut into lines. Three bounds, each with a count of what it left out: a line
 * has EVENTS_LINE_BYTES_MAX bytes; in a second there are LINES_PER_SECOND lines, and as many more as the last seconds
 * did not use, up to LINES_SAVED_MAX; and OUTPUT_BYTES_PER_SECOND are read, after as many at once. Who writes faster
 * than that is slowed, as by a slow terminal: a flood costs the keeper no more than this.
 *
 * What is overwritten on a terminal by a carriage return (progress bars) is no line.
 */
#ifndef KEEPER_LINES_H
#define KEEPER_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "events.h"

#define LINES_PER_SECOND 100
#define LINES_SAVED_MAX 500
#define OUTPUT_BYTES_PER_SECOND (4 * 1024 * 1024)

/* What both streams may still say: lines anew each second, bytes all the time. */
typedef struct allowance {
  uint64_t lines_renewed_ms, bytes_renewed_ms;
  uint32_t lines;
  int64_t bytes;           /* nothing is read below 1 */
  uint64_t lines_left_out; /* and not yet told */
} allowance;

typedef struct lines {
  int fd; /* non-blocking, ours; -1 once it has ended */
  const char *name;
  bool has_return; /* the last byte was a carriage return */
  size_t length;
  uint64_t cut_bytes; /* of this line, beyond its bound */
  char line[EVENTS_LINE_BYTES_MAX];
} lines;

void allowance_open(allowance *allowance, uint64_t now_ms);

/* Adds what the time since the last call allows, and tells each second what the last one left out. */
void allowance_renew(allowance *allowance, uint64_t now_ms, events *events);

/* Tells what was left out so far. */
void allowance_settle(allowance *allowance, events *events);

void lines_open(lines *lines, int fd, const char *name);

/* Reads once, a pipe's fill at most. Whether there was something. */
bool lines_read(lines *lines, allowance *allowance, events *events);

/* Says the line that has no end yet, and closes. */
void lines_close(lines *lines, allowance *allowance, events *events);

#endif
