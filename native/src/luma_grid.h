/* What a picture looks like from afar: the mean luma of the cells of a grid, which an encoder's noise hardly moves. */
#ifndef TELE_LUMA_GRID_H
#define TELE_LUMA_GRID_H

#include <stdbool.h>

#include "telebridge.h"

/* Fills the cells and luma_min and luma_max, all of full range. A cell has at least one pixel, also of a picture that
 * has fewer than the grid. */
void luma_grid_fill(const uint8_t *luma, size_t stride, uint32_t width, uint32_t height, bool is_full_range,
                    tele_picture_stats *stats);

#endif
