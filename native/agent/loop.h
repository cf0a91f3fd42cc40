/* Draws, encodes and writes, turn by turn. */
#ifndef AGENT_LOOP_H
#define AGENT_LOOP_H

#include "encode.h"
#include "options.h"
#include "output.h"
#include "renderer.h"
#include "report.h"

typedef struct loop_parts {
  const agent_options *options;
  int stop_fd;
  renderer *renderer;
  agent_encoder *encoder;
  output *output;
} loop_parts;

/* Until --frames, a signal, or a reader that is gone: 0. Else a negative errno with its text. */
int loop_run(const loop_parts *parts, report_counts *counts);

#endif
