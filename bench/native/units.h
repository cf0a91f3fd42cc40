/* A file of access units: for each a u32 with its bytes, a u32 with 1 for a keyframe, and then the bytes. */
#ifndef UNITS_H
#define UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct unit {
  const uint8_t *start;
  uint32_t bytes;
  bool keyframe;
} unit;

typedef struct units {
  unit *all;
  size_t count;
} units;

/* Ends the program when the file cannot be read. */
void units_load(units *units, const char *path);

void units_write(FILE *file, const uint8_t *bytes, uint32_t bytes_count, bool keyframe);

#endif
