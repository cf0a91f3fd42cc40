/* What an agent says of itself while it runs: how many pictures, how fast, what was left out. */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "output.h"

/* All counted from the start. */
typedef struct report_counts {
  uint64_t pictures; /* encoded and written */
  uint64_t skipped;  /* turns that passed: the machine, or whoever reads stdout, was too slow */
  uint64_t dropped;  /* turns, and pictures drawn, that a slow reader of the FIFO left out */
  uint64_t bytes;
  uint64_t render_ns; /* of this thread: drawing, converting, waiting for the GPU */
  uint64_t encode_ns;
} report_counts;

typedef struct report {
  bool verbose;
  uint64_t shown_ns, logged_ns;
  report_counts shown, logged; /* as they were then */
} report;

/* Once for each turn: numbers for the run's page every second, and every ten a line on stderr where something was left
 * out, or with --verbose. */
void report_turn(report *report, const report_counts *counts, output *output, uint64_t now_ns);

void report_end(const report_counts *counts);

#endif
