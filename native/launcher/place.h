/* The folders that may hold caches. */
#ifndef LAUNCHER_PLACE_H
#define LAUNCHER_PLACE_H

#include <limits.h>
#include <stddef.h>

#define PLACES_MAX 5

/* Writes the paths of the folders to try, the best first, and returns how many there are. TELEBRIDGE_CACHE_DIR is the
 * only one where it is set; else the user's cache folder, and folders of everybody's with our user's number in the
 * name. */
size_t place_list(char places[PLACES_MAX][PATH_MAX]);

/* Opens the folder, made with mode 0700 when it is missing. Fails when it is a link, somebody else's, or others could
 * change what is in it, and when programs may not be started from there. Returns a descriptor. */
int place_open(const char *path);

#endif
