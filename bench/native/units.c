#include "units.h"

#include <errno.h>
#include <stdlib.h>

#include "bench.h"

void units_load(units *units, const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) bench_check(-errno, path);
  uint32_t head[2];
  *units = (struct units){.count = 0};
  while (fread(head, sizeof head, 1, file) == 1) {
    uint8_t *bytes = malloc(head[0]);
    units->all = realloc(units->all, (units->count + 1) * sizeof *units->all);
    if (bytes == NULL || units->all == NULL || fread(bytes, head[0], 1, file) != 1) bench_check(-EIO, path);
    units->all[units->count++] = (unit){.start = bytes, .bytes = head[0], .keyframe = head[1] != 0};
  }
  fclose(file);
  if (units->count == 0) bench_check(-ENODATA, path);
}

void units_write(FILE *file, const uint8_t *bytes, uint32_t bytes_count, bool keyframe) {
  uint32_t head[2] = {bytes_count, keyframe};
  fwrite(head, sizeof head, 1, file);
  fwrite(bytes, bytes_count, 1, file);
}
