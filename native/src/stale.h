/* Removal of what a dead producer left behind, also where no reader can attach. */
#ifndef TELE_STALE_H
#define TELE_STALE_H

#include <stdbool.h>
#include <stdint.h>

/* Unlinks the run's segment when its producer is dead: 1 removed, 0 left alone or none there, -errno. A producer
 * without the owner's lock takes 10 s to tell from a slow one when its pid is gone; wait says whether to. */
int stale_remove(const char *run_id, bool wait);

/* Whether the run's segment belongs to a living producer, or to no one that we may remove, beyond doubt. A lock that is
 * not held by the pid in the header may be that of somebody who removes the segment at this moment, or of a producer in
 * another pid namespace: only time tells. False too when the segment is gone or being made. */
bool publisher_is_certain(const char *run_id);

/* The pid in the segment's header, for a message to a person; 0 with tele_error_message() when there is none. */
uint32_t publisher_pid(const char *run_id);

#endif
