#include "horizon.h"

#include <math.h>
#include <stdint.h>

#include "world.h"

#define SECTORS 32
#define DOME_BANDS 4 /* the camera never sees the rest */
#define DOME_RADIUS 420

static void add_quad(mesh *mesh, const vec3 corners[4], const vec3 colours[4], uint8_t haze) {
  static const int order[6] = {0, 1, 2, 0, 2, 3};
  for (int i = 0; i < 6; i++) mesh_vertex(mesh, corners[order[i]], colours[order[i]], haze);
}

static const float sea_rings[] = {0, 15, 22, 34, 60, 120, 400};

void horizon_add_sea(mesh *mesh, int wedge) {
  const vec3 shallow = colour_of(0x58b7b4), deep = colour_of(0x2a6f9e);
  for (int ring = 1; ring + 1 < (int)(sizeof sea_rings / sizeof sea_rings[0]); ring++) {
    vec3 inner = vec3_mix(shallow, deep, smooth_share(20, 60, sea_rings[ring]));
    vec3 outer = vec3_mix(shallow, deep, smooth_share(20, 60, sea_rings[ring + 1]));
    for (int sector = wedge * SECTORS / WORLD_WEDGES; sector < (wedge + 1) * SECTORS / WORLD_WEDGES; sector++) {
      float from = TAU * (float)sector / SECTORS, to = TAU * (float)(sector + 1) / SECTORS;
      float near = sea_rings[ring], far = sea_rings[ring + 1];
      const vec3 corners[4] = {{near * cosf(from), 0, near * sinf(from)},
                               {near * cosf(to), 0, near * sinf(to)},
                               {far * cosf(to), 0, far * sinf(to)},
                               {far * cosf(from), 0, far * sinf(from)}};
      add_quad(mesh, corners, (const vec3[]){inner, inner, outer, outer}, 255);
    }
  }
}

/* The sky's colour in a direction: by its height, and warm around the sun. */
static vec3 sky_colour(vec3 direction) {
  vec3 colour = vec3_mix(WORLD_HAZE, colour_of(0x5b9bdc), smooth_share(0.0f, 0.55f, direction.y));
  float sun = fmaxf(vec3_dot(direction, sun_direction), 0);
  return vec3_mix(colour, (vec3){1, 0.93f, 0.75f}, 0.55f * powf(sun, 12));
}

void horizon_add_sky(mesh *mesh, int wedge) {
  static const float heights[DOME_BANDS + 1] = {-0.1f, 0.0f, 0.12f, 0.28f, 0.6f};
  for (int band = 0; band < DOME_BANDS; band++) {
    for (int sector = wedge * SECTORS / WORLD_WEDGES; sector < (wedge + 1) * SECTORS / WORLD_WEDGES; sector++) {
      vec3 corners[4], colours[4];
      for (int i = 0; i < 4; i++) {
        float height = heights[band + (i == 1 || i == 2)], flat = sqrtf(1 - height * height);
        float angle = TAU * (float)(sector + (i >= 2)) / SECTORS;
        vec3 direction = {flat * cosf(angle), height, flat * sinf(angle)};
        corners[i] = vec3_scale(direction, DOME_RADIUS);
        colours[i] = sky_colour(direction);
      }
      add_quad(mesh, (const vec3[]){corners[3], corners[2], corners[1], corners[0]},
               (const vec3[]){colours[3], colours[2], colours[1], colours[0]}, 0);
    }
  }
}
