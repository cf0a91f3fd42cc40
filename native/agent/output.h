/*
 * Where an agent's access units go: one table of functions each. A new output is one file and one row in
 * agent_output_open().
 *
 * An output has a say before each picture, so that what nobody wants is not drawn, and what is encoded is never
 * dropped: every access unit needs the one before it.
 */
#ifndef AGENT_OUTPUT_H
#define AGENT_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "encoder.h"
#include "options.h"
#include "scene.h"
#include "stop.h"

typedef enum output_turn {
  OUTPUT_DRAW,
  OUTPUT_DROP, /* not this one: its reader is slow */
  OUTPUT_CAP,  /* not this one: there may be less of them in a second */
  OUTPUT_IDLE, /* none, until there is a reader, or the pause is over */
} output_turn;

typedef struct output_wishes {
  bool keyframe;
  uint32_t rate_max_mhz; /* 0 = no cap */
} output_wishes;

typedef struct output output;

typedef struct output_kind {
  /* Before each picture. An output_turn, or a negative errno as for write. */
  int (*turn)(output *output);
  /* Before each picture is encoded. */
  void (*wishes)(output *output, output_wishes *wishes);
  /* 1: left out, since its reader is slow; -EPIPE: its reader is gone for good; -ECANCELED: a signal came; else a
   * negative errno with its text. */
  int (*write)(output *output, const access_unit *unit, const scene_state *state);
  /* Once a second. NULL is fine. */
  void (*show_rate)(output *output, uint64_t frame, double fps);
  void (*close)(output *output);
} output_kind;

/* Every output embeds this as its first member. */
struct output {
  const output_kind *kind;
  int fd;         /* of whom a POLLERR tells that the reader is gone; -1: none */
  char name[128]; /* for people: run "robot" */
};

/* Whether nobody reads from fd any more. */
static inline bool output_reader_is_gone(const output *output) {
  return stop_wait(-1, output->fd, 0, 0) == STOP_WAIT_READY;
}

/* A ring for access units of about this bitrate: two GOPs, so that the newest keyframe and all after it are there for
 * whoever comes, or is late. */
tele_producer_options output_ring_size(uint32_t bitrate_kbps, uint32_t fps_mhz, uint32_t gop_ms);

int output_ring_open(const agent_options *options, output **made);
int output_fifo_open(const agent_options *options, output **made);
/* stdout_fd (-1: there is none) stays the caller's. */
int output_stdout_open(const agent_options *options, int stdout_fd, int stop_fd, output **made);

#endif
