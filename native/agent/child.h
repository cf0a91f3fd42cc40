/* A program that an agent starts beside itself. It stays in the agent's process group, and ends with it. */
#ifndef AGENT_CHILD_H
#define AGENT_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct child {
  pid_t pid;     /* 0: none, or it has ended */
  int status;    /* as waitpid() tells it, once it has ended */
  char name[64]; /* for messages: its command, cut short */
} child;

/* Starts it with nothing to read. stdout_fd: where its stdout goes; -1: to our stderr, since our own stdout is not for
 * it. It dies with this thread, however that ends. -ENOENT and what else execvp(3) says. */
int child_start(char *const *command, int stdout_fd, child *child);

/* Whether it has ended, without waiting. True also for none. */
bool child_has_ended(child *child);

/* Waits for so long, at most, for all to end. */
void children_wait(child *const *children, size_t children_count, unsigned ms_max);

/* Asks those that run to end. */
void children_ask(child *const *children, size_t children_count);

/* Waits for those that were asked to end, and kills what has not done so after a moment. */
void children_end(child *const *children, size_t children_count);

/* How it ended: "ended with code 3", "was ended by signal 9 (Killed)". */
void child_describe_end(const child *child, char *text, size_t text_bytes);

/* Its exit code, or 128 and its signal. */
int child_exit_code(const child *child);

#endif
