#include "backdrop.h"

#include <math.h>

#include "learner.h"
#include "mountain.h"
#include "random.h"

#define GROUND_MIDDLE 0.60f    /* of the picture's height, from the top */
#define GROUND_AMPLITUDE 0.27f /* of the picture's height */

landscape landscape_for(int width, int height) {
  return (landscape){(float)width, (float)height, fminf((float)width / 640, (float)height / 360)};
}

point landscape_point(const landscape *land, double position) {
  return (point){(float)((position - MOUNTAIN_POSITION_MIN) / LEARNER_POSITION_SPAN) * land->width,
                 land->height * (GROUND_MIDDLE - GROUND_AMPLITUDE * (float)sin(3 * position))};
}

float landscape_slope(const landscape *land, double position) {
  const float rise = land->height * GROUND_AMPLITUDE * 3 * (float)cos(3 * position);
  return rise / (land->width / (float)LEARNER_POSITION_SPAN);
}

double landscape_length(const landscape *land, double position) {
  double length = 0;
  const double stride = 0.02;
  const double pixels_per_position = land->width / LEARNER_POSITION_SPAN;
  for (double from = MOUNTAIN_POSITION_MIN; from < position; from += stride) {
    const double part = fmin(stride, position - from);
    const double slope = landscape_slope(land, from + part / 2);
    length += part * pixels_per_position * sqrt(1 + slope * slope);
  }
  return length;
}

static void paint_sky(canvas *canvas) {
  static const struct {
    float at; /* of the picture's height */
    uint32_t rgb;
  } stops[] = {{0, 0x0d1033},     {0.34f, 0x2b2768}, {0.58f, 0x7a3f86},
               {0.74f, 0xe0787c}, {0.86f, 0xffb27a}, {1.01f, 0xffd9a0}};
  random_source dither = {1};
  for (int y = 0; y < canvas->height; y++) {
    const float at = ((float)y + 0.5f) / (float)canvas->height;
    int stop = 0;
    while (at >= stops[stop + 1].at) {
      stop++;
    }
    const float share = (at - stops[stop].at) / (stops[stop + 1].at - stops[stop].at);
    const colour shade =
        colour_mix(colour_from_hex(stops[stop].rgb, 1), colour_from_hex(stops[stop + 1].rgb, 1), share);
    for (int x = 0; x < canvas->width; x++) {
      /* Half a level of noise hides the bands of a smooth gradient in 8 bits. */
      const float noise = ((float)random_unit(&dither) - 0.5f) / 255;
      canvas_pixel(canvas, x, y,
                   (colour){fminf(1, shade.r + noise), fminf(1, shade.g + noise), fminf(1, shade.b + noise), 1});
    }
  }
}

static void paint_stars(canvas *canvas, float unit) {
  random_source random = {7};
  for (int star = 0; star < 90; star++) {
    const float depth = (float)(random_unit(&random) * random_unit(&random));
    const point at = {(float)random_unit(&random) * (float)canvas->width, depth * 0.55f * (float)canvas->height};
    const float brightness = 0.25f + 0.65f * (float)random_unit(&random);
    canvas_disc(canvas, at, (0.35f + 0.45f * (float)random_unit(&random)) * unit,
                colour_from_hex(0xf4f0ff, brightness * (1 - depth)));
  }
}

/* A row of mountains far away: three waves of one colour from a height down. */
static void paint_range(canvas *canvas, float top, float roughness, float phase, colour colour) {
  for (int x = 0; x < canvas->width; x++) {
    const float at = (float)x / (float)canvas->width * 2 * (float)M_PI;
    const float wave = 0.55f * sinf(1.3f * at + phase) + 0.3f * fabsf(sinf(2.9f * at + 2 * phase)) +
                       0.15f * sinf(7.1f * at + 3 * phase);
    const float edge = (top - roughness * wave) * (float)canvas->height;
    for (int y = (int)edge; y < canvas->height; y++) {
      struct colour shade = colour;
      shade.a *= fminf(1, (float)y + 1 - edge);
      canvas_pixel(canvas, x, y, shade);
    }
  }
}

static void paint_ground(canvas *canvas, const landscape *land) {
  const colour high = colour_from_hex(0x3a2b66, 1), deep = colour_from_hex(0x140f2b, 1);
  const colour rim = colour_from_hex(0xffc9a3, 1);
  for (int x = 0; x < canvas->width; x++) {
    const double position = MOUNTAIN_POSITION_MIN + LEARNER_POSITION_SPAN * (x + 0.5) / canvas->width;
    const float edge = landscape_point(land, position).y;
    const float slope = landscape_slope(land, position);
    const float upright = 1 / sqrtf(1 + slope * slope);
    for (int y = (int)(edge > 1 ? edge - 1 : 0); y < canvas->height; y++) {
      const float depth = ((float)y + 0.5f - edge) * upright; /* pixels below the ground, about */
      if (depth <= -0.5f) {
        continue;
      }
      colour shade = colour_mix(high, deep, fminf(1, depth / (0.45f * land->height)));
      const float light = fmaxf(0, 1 - depth / (2.2f * land->unit));
      const float haze = 0.30f * expf(-depth / (14 * land->unit));
      shade = colour_mix(shade, rim, fmaxf(light, haze));
      shade.a = fminf(1, depth + 0.5f);
      canvas_pixel(canvas, x, y, shade);
    }
  }
}

void backdrop_paint(canvas *canvas, const landscape *land) {
  const point sun = {land->width * 0.47f, land->height * 0.63f};
  paint_sky(canvas);
  paint_stars(canvas, land->unit);
  canvas_glow(canvas, sun, 190 * land->unit, colour_from_hex(0xffd9a0, 0.75f));
  canvas_disc(canvas, sun, 34 * land->unit, colour_from_hex(0xfff0cf, 1));
  paint_range(canvas, 0.63f, 0.09f, 0.4f, colour_from_hex(0x93507f, 0.96f));
  paint_range(canvas, 0.74f, 0.08f, 2.1f, colour_from_hex(0x5f3473, 1));
  paint_ground(canvas, land);
}
