/*
 * An archive unpacked: the folder <place>/<id>, mode 0700. It is made whole or not at all, under another name, and
 * every file is hashed while it is written. At each start the owner, mode, size and time of every file are looked at;
 * what was touched is made anew.
 */
#ifndef LAUNCHER_CACHE_H
#define LAUNCHER_CACHE_H

#include "archive.h"

/* The time of last change that all files of a cache have: 1980-01-01. One that was written to has another. */
#define CACHE_FILE_TIME_S INT64_C(315532800)

/* Caches that nobody started from for so long, and that no process holds (a shared flock on the folder), are removed.
 */
#define CACHE_UNUSED_S (24 * 60 * 60)
/* What a start that was killed left half made. */
#define CACHE_HALF_MADE_S (60 * 60)

/* Sees to it that the place (place_open) has this archive's cache. Any number of processes may do so at once. */
int cache_enter(const archive *archive, int place);

/* Removes what is unused in the place, this archive's cache excepted. */
void cache_sweep(const archive *archive, int place);

#endif
