/*
 * telebridge_keeper: starts one command, watches it, and ends it with all that it has started. `telebridge serve`
 * starts one for each agent (core/agents/keeper.ts). Libc only, one thread, no allocation but for the list of
 * processes.
 *
 *   telebridge_keeper [--grace-ms N] [--memory-max BYTES] [--cwd FOLDER] -- COMMAND [ARGUMENT...]
 *
 * The command gets the keeper's environment (without CGROUP_VARIABLE, cgroup.h), a session and process group of its
 * own, an empty standard input, default signals, and no descriptor but these three. It is found in $PATH, or relative
 * to FOLDER.
 *
 * Standard input is the control pipe, a word a line:
 *   stop    SIGTERM (and SIGCONT) to all processes of the command; SIGKILL after the grace (default 5000 ms)
 *   kill    SIGKILL at once
 * Its end says that whoever started the keeper is gone, and means stop; so does SIGTERM to the keeper.
 *
 * Standard output has an event a line, in JSON:
 *   {"event":"started","pid":N}
 *   {"event":"line","stream":"stdout"|"stderr"|"keeper","text":"..."}    keeper: a word of its own about the command
 *   {"event":"usage","rssBytes":N,"cpuSeconds":N,"processes":N}          once a second, of all; a sign of life
 *   {"event":"ended","reason":"exited"|"signalled"|"not-started"|"out-of-memory","code":N|null,
 *    "signal":"SIGTERM"|null,"text":"..."}                               the last one: nothing of the command is left
 * Where nobody reads, lines and usage are left out, not waited for. Standard error has the keeper's own failures.
 *
 * How it holds what it promises:
 *   - All that the command starts stays below the keeper in the tree of processes, whatever sessions it makes and
 *     however often it forks away, since the keeper is a subreaper (prctl(2)). When the command ends, the rest is ended
 *     as by stop; `ended` is said when there is no child any more.
 *   - The keeper asks for no parent-death signal of its own: that would follow the thread which started it, and those
 * of a thread pool come and go. The control pipe ends with the process, however that ends. The command itself does ask
 *     for one: the keeper has one thread only.
 *   - The memory limit is a cgroup's (cgroup.h), or where none can be had, what all processes have resident, looked at
 *     four times a second.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include <stdint.h>

typedef struct keeper_options {
  char *const *words;    /* the command, closed by NULL */
  const char *directory; /* NULL: the keeper's */
  uint64_t memory_max;   /* bytes; 0: no limit */
  uint64_t grace_ms;
} keeper_options;

/* Returns the exit status: 0 when `ended` was said. */
int keeper_run(const keeper_options *options);

/* CLOCK_MONOTONIC. */
uint64_t keeper_now_ms(void);

#endif
