/* backdrop.h: the shape of the hill, and everything in the picture that never moves. */
#ifndef DEMO_BACKDROP_H
#define DEMO_BACKDROP_H

#include "canvas.h"

typedef struct landscape {
  float width, height; /* pixels */
  float unit;          /* pixels that were one pixel in a picture of 640 x 360 */
} landscape;

landscape landscape_for(int width, int height);

/* Where the ground is at a position of the task, in pixels. The ground is sin(3 position), the curve whose slope the
 * task's gravity follows. */
point landscape_point(const landscape *land, double position);

/* Steepness there, as drawn: pixels up per pixel to the right. */
float landscape_slope(const landscape *land, double position);

/* Way along the ground from the left edge to a position, in pixels. */
double landscape_length(const landscape *land, double position);

void backdrop_paint(canvas *canvas, const landscape *land);

#endif
