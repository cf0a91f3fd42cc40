#include "luma_grid.h"

#include <string.h>

typedef struct span {
  uint32_t begin, end;
} span;

/* Of `size` pixels those of the cell `index` of `count`: at least one. */
static span cell_span(uint32_t size, uint32_t index, uint32_t count) {
  span found = {.begin = (uint32_t)((uint64_t)size * index / count),
                .end = (uint32_t)((uint64_t)size * (index + 1) / count)};
  if (found.end == found.begin) found.end++;
  return found;
}

/* BT.709's limited range (16 to 235) to 0 to 255. */
static uint8_t widen(uint32_t luma) {
  if (luma <= 16) return 0;
  return luma >= 235 ? 255 : (uint8_t)(((luma - 16) * 255 + 109) / 219);
}

typedef struct sum {
  uint64_t luma;
  uint8_t min, max;
} sum;

/* Rows of a cell are short; the compiler makes vectors of them only where it may unroll. */
static void add_row(sum *sum, const uint8_t *row, uint32_t count) {
  uint32_t luma = 0;
  uint8_t min = sum->min, max = sum->max;
  for (uint32_t x = 0; x < count; x++) {
    luma += row[x];
    min = row[x] < min ? row[x] : min;
    max = row[x] > max ? row[x] : max;
  }
  sum->luma += luma;
  sum->min = min;
  sum->max = max;
}

void luma_grid_fill(const uint8_t *luma, size_t stride, uint32_t width, uint32_t height, bool is_full_range,
                    tele_picture_stats *stats) {
  uint8_t min = UINT8_MAX, max = 0;
  for (uint32_t row = 0; row < TELE_STATS_ROWS; row++) {
    span y_span = cell_span(height, row, TELE_STATS_ROWS);
    for (uint32_t column = 0; column < TELE_STATS_COLUMNS; column++) {
      span x_span = cell_span(width, column, TELE_STATS_COLUMNS);
      uint32_t count = x_span.end - x_span.begin;
      sum sum = {.min = min, .max = max};
      for (uint32_t y = y_span.begin; y < y_span.end; y++) add_row(&sum, luma + y * stride + x_span.begin, count);
      min = sum.min;
      max = sum.max;
      uint64_t pixels_count = (uint64_t)count * (y_span.end - y_span.begin);
      uint32_t mean = (uint32_t)((sum.luma + pixels_count / 2) / pixels_count);
      stats->cells[row * TELE_STATS_COLUMNS + column] = is_full_range ? (uint8_t)mean : widen(mean);
    }
  }
  stats->luma_min = is_full_range ? min : widen(min);
  stats->luma_max = is_full_range ? max : widen(max);
}
