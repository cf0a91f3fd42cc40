/* A virtual X display for a program that draws on a desktop: an Xvfb whom only we and our children can talk to. */
#ifndef AGENT_XVFB_H
#define AGENT_XVFB_H

#include <stdint.h>

#include "child.h"

typedef struct xvfb {
  child child;
  char authority_path[176]; /* the key to it; "" = none was written */
} xvfb;

/* Starts one with a screen of that size, waits until it answers, and puts its DISPLAY and XAUTHORITY into the
 * environment. stop_fd: ends the waiting (-ECANCELED). -ENOENT where there is no Xvfb; -EPROTO when it ends at once. */
int xvfb_start(const char *run_id, uint32_t width, uint32_t height, int stop_fd, xvfb *xvfb);

/* Once the child is stopped. */
void xvfb_remove(const xvfb *xvfb);

#endif
