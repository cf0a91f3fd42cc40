/*
 * The pump: publishes what another program has encoded. Reads H.264 from its stdout or from a FIFO, and writes each
 * access unit into the run's ring as soon as it is whole.
 */
#ifndef AGENT_PUMP_H
#define AGENT_PUMP_H

#include "options.h"

/* Until the source ends or a signal comes. Returns the exit status: the source's own where it is a command, 0 after a
 * signal, 1 with a reason on stderr when something failed. */
int pump_run(const agent_options *options);

#endif
