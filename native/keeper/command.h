/* The command's own process: how it is started (keeper.h), and how its end is told. */
#ifndef KEEPER_COMMAND_H
#define KEEPER_COMMAND_H

#include <sys/types.h>

#include "keeper.h"

typedef struct command {
  pid_t pid;                /* and its process group's, and its session's */
  int stdout_fd, stderr_fd; /* to read from, non-blocking */
} command;

/* cgroup_fd is where it writes itself into (cgroup.procs), or -1. On failure the error's text says what could not be
 * done, with what and why. */
int command_start(const keeper_options *options, int cgroup_fd, command *started);

/* The name, as in "SIGTERM". Static. */
const char *command_signal_name(int signal_number);

#endif
