/*
 * canvas.h: anti-aliased shapes on an RGB8 picture without padding. Coordinates are pixels from the picture's upper
 * left corner, a pixel's centre lies at .5; each shape covers a pixel by its signed distance to the centre.
 */
#ifndef DEMO_CANVAS_H
#define DEMO_CANVAS_H

#include <stdint.h>

typedef struct canvas {
  uint8_t *pixels;
  int width;
  int height;
} canvas;

/* Red, green and blue as shown (sRGB), and opacity; each 0 to 1. */
typedef struct colour {
  float r, g, b, a;
} colour;

#define CANVAS_CORNERS_MAX 8

typedef struct point {
  float x, y;
} point;

colour colour_from_hex(uint32_t rgb, float opacity);
/* From one colour (share 0) to another (share 1); what is beyond either is that one. */
colour colour_mix(colour from, colour to, float share);

void canvas_pixel(canvas *canvas, int x, int y, colour colour);
void canvas_disc(canvas *canvas, point centre, float radius, colour colour);
/* A line with round ends, 2 * radius thick. */
void canvas_line(canvas *canvas, point from, point to, float radius, colour colour);
/* A convex polygon of at most CANVAS_CORNERS_MAX corners, clockwise on the screen, each edge moved out by `margin`. */
void canvas_polygon(canvas *canvas, const point *corners, int corners_count, float margin, colour colour);
/* Light around a centre that fades to nothing at `radius`. */
void canvas_glow(canvas *canvas, point centre, float radius, colour colour);

#endif
