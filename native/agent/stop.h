/*
 * How an agent waits, and how it is told to end: SIGTERM, SIGINT and SIGHUP are blocked in all of its threads and come
 * as something to read, so that none is missed between a look and a nap. A SIGHUP that is ignored stays so.
 */
#ifndef AGENT_STOP_H
#define AGENT_STOP_H

#include <stdint.h>

/* Before the first thread is started, since threads inherit what is blocked. Returns a descriptor that is readable from
 * the first of these signals on, or a negative errno. SIGPIPE is ignored. */
int stop_open(void);

typedef enum stop_wait_end {
  STOP_WAIT_DUE,   /* it is until_ns */
  STOP_WAIT_READY, /* the other descriptor is */
  STOP_WAIT_STOP   /* a signal came: now, or earlier */
} stop_wait_end;

/* Waits until until_ns (mono; UINT64_MAX: for ever), a signal, or one of `events` on fd (-1: none); POLLERR and POLLHUP
 * count always. */
stop_wait_end stop_wait(int stop_fd, int fd, short events, uint64_t until_ns);

#endif
