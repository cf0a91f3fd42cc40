/* An agent's command line. */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "telebridge.h"

#define AGENT_NAME "telebridge agent" /* in front of whatever it says */

typedef enum agent_output { AGENT_RING, AGENT_STDOUT, AGENT_MPEGTS, AGENT_FIFO } agent_output;

typedef struct agent_options {
  char run_id[TELE_RUN_ID_CHARS_MAX + 1];
  uint32_t width, height; /* pixels, even */
  uint32_t fps_mhz;
  uint32_t bitrate_kbps;
  uint32_t gop_ms;            /* between keyframes that nobody asked for */
  const char *picture_option; /* the last one given of those above and below that say how it is made; NULL: none */
  int gpu;                    /* the EGL device's index; -1 = the first that renders */
  tele_encoder_kind encoder;
  uint64_t frames_max; /* 0 = no end */
  agent_output output;
  const char *fifo_path; /* with AGENT_FIFO */
  bool verbose;
  /* With --source: nothing is rendered, what somebody else encoded is published. NULL: the agent's own picture. */
  const char *source;               /* "exec" or "fifo" */
  const char *source_path;          /* of the fifo */
  char **source_command;            /* of exec, NULL behind its last word */
  uint32_t beside_words;            /* of those behind the options: a program that the source captures */
  char **beside_command;            /* NULL: none */
  uint32_t xvfb_width, xvfb_height; /* of an Xvfb for both; 0 = none */
} agent_options;

/* Returns -1 when the program should go on, else its exit status: 0 after --help, 2 after a mistake. The words stay
 * argv's, which is reordered. */
int agent_options_parse(int argc, char **argv, agent_options *options);

#endif
