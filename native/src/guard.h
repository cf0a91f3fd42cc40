/*
 * Survives a segment that is truncated under a reader.
 *
 * Touching a page past a mapped file's end raises SIGBUS, and checking the size first only narrows the window. So
 * regions are registered here; at a fault inside one, the handler maps zero pages over the whole region and the
 * interrupted access goes on and finds zeros. Whoever reads asks guard_faulted() afterwards, before using what it
 * found. Faults elsewhere go to the handler that was there before. Control words are covered too, at no cost.
 */
#ifndef TELE_GUARD_H
#define TELE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Regions that can be guarded at a time in one process. */
#define GUARD_REGIONS_MAX 1024

/* Returns the region's number, or -EMFILE. Installs the handler at the first call. */
int guard_add(void *base, size_t bytes);

/* Before the region is unmapped. */
void guard_remove(int region);

/* Whether the region was replaced by zeros. */
bool guard_faulted(int region);

#endif
