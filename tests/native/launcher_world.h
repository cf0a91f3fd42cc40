/* A one-file program for tests: a few small files packed behind some bytes that stand for the launcher. */
#ifndef LAUNCHER_WORLD_H
#define LAUNCHER_WORLD_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "archive.h"

#define WORLD_ENTRIES 3

/* What the entries hold: bin/program, lib/deep/library, empty. */
extern const char *const world_texts[WORLD_ENTRIES];

typedef struct world {
  char dir[PATH_MAX]; /* of this test alone */
  int place;          /* that folder, as place_open() gives it */
  archive archive;    /* the packed file's */
  archive_entry entries[WORLD_ENTRIES];
  uint8_t bytes[16 * 1024]; /* of the packed file */
  size_t bytes_count;
  size_t payload_offset;
  size_t table_offset;
} world;

void world_make(world *world);
void world_end(world *world);

/* Packs anew, with the first entry under this path. */
void world_pack(world *world, const char *path);

/* A descriptor of a file with the first of the world's bytes. */
int world_file(const world *world, size_t bytes_count);

#endif
