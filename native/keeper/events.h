/* What the keeper says on its standard output (keeper.h), without ever waiting for the reader. */
#ifndef KEEPER_EVENTS_H
#define KEEPER_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Of events that wait for the reader. Lines and usage leave room for what must be said. */
#define EVENTS_BYTES_MAX (128 * 1024)
#define EVENTS_BYTES_RESERVED (16 * 1024)
/* Of a line of the command's; the rest is counted. Escaped it may take six times that. */
#define EVENTS_LINE_BYTES_MAX 4096

typedef struct events {
  int fd;         /* non-blocking, the caller's */
  bool is_broken; /* nobody reads it any more: all that is said is thrown away */
  size_t used;
  char bytes[EVENTS_BYTES_MAX];
} events;

typedef struct usage {
  uint64_t resident_bytes;
  double cpu_seconds;
  size_t processes_count;
} usage;

void events_open(events *events, int fd);

void events_started(events *events, pid_t pid);

/* A line of the stream `name`, of which `left_out_bytes` more are not here. Whatever is no UTF-8 becomes U+FFFD. False:
 * there was no room, nothing was said. */
bool events_line(events *events, const char *name, const char *bytes, size_t length, uint64_t left_out_bytes);

/* A line of the keeper's own; false as above. */
__attribute__((format(printf, 2, 3))) bool events_note(events *events, const char *format, ...);

void events_usage(events *events, const usage *usage);

/* signal_name may be NULL, code negative: there is none. */
void events_ended(events *events, const char *reason, int code, const char *signal_name, const char *text);

/* Hands on as much as the reader takes now. */
void events_flush(events *events);

#endif
