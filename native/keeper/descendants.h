/* All processes below this one, as /proc tells: proc_pid_task(5), children, and proc_pid_stat(5). */
#ifndef KEEPER_DESCENDANTS_H
#define KEEPER_DESCENDANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "events.h"

typedef struct descendants {
  pid_t *pids; /* free() it at the end */
  size_t count, room;
} descendants;

/* Lists them anew. A process that forks meanwhile may hide a child: look again where all must be found. */
void descendants_list(descendants *list);

/* What those listed use, and what was reaped by them and by us. */
void descendants_usage(const descendants *list, usage *usage);

/* What those listed have resident, pages that several share counted once (proc_pid_smaps(5), Pss), where the kernel
 * tells. It walks all their pages for that. */
uint64_t descendants_proportional_bytes(const descendants *list);

/* Sends it to each that is not in this process group; 0: to all. */
void descendants_signal(const descendants *list, int signal_number, pid_t group_spared);

#endif
