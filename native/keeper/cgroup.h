/*
 * A memory limit by cgroup v2 (Documentation/admin-guide/cgroup-v2.rst), where part of that tree was delegated to us,
 * as systemd does for a unit with Delegate=memory (systemd's CGROUP_DELEGATION.md): the delegated cgroup has the
 * attribute user.delegate=1 or trusted.delegate=1 (systemd 251 and later). No cgroup that was not given to us is
 * touched.
 *
 *   <delegated>/serve         where all processes of the unit that were in <delegated> itself are moved: a cgroup with
 *                             controllers for its children has no processes
 *   <delegated>/agent-<PID>   the command's, made by keeper PID: memory.max, no swap, ended as a whole when it is out
 *                             of memory
 */
#ifndef KEEPER_CGROUP_H
#define KEEPER_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define CGROUP_VARIABLE "TELEBRIDGE_CGROUP"

typedef struct cgroup {
  int fd;       /* its folder; -1: none */
  int procs_fd; /* a process that writes "0" there is moved into it */
  char path[PATH_MAX];
} cgroup;

/* Makes the command's cgroup, and removes those of keepers that were killed, with what is left in them. Fails with a
 * text that says what is not as it must be. */
int cgroup_open(uint64_t memory_max, cgroup *made);

/* Whether somebody in it was killed for want of memory. */
bool cgroup_ran_out(const cgroup *cgroup);

/* Kills all that are in it, also those that are just forking (Linux 5.14). */
void cgroup_kill(const cgroup *cgroup);

/* Removes it; it must be empty. */
void cgroup_close(cgroup *cgroup);

/* Finds, in the text of /proc/self/mountinfo and of /proc/self/cgroup, the folder of our cgroup in the tree of version
 * 2. -ENOENT: that is not mounted, or we are not below its mount. */
int cgroup_find_own(const char *mountinfo, const char *own, char path[PATH_MAX]);

#endif
