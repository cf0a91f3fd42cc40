#include "world.h"

#include <stdlib.h>

#include "horizon.h"
#include "island.h"

#define VERTICES_MAX 20000

/* Along the middle of its wedge, or it would hold much of its neighbours. */
static box bounds_of(const vertex *vertices, int count, int wedge) {
  float angle = TAU * ((float)wedge + 0.5f) / WORLD_WEDGES;
  const vec3 axes[3] = {{cosf(angle), 0, sinf(angle)}, {0, 1, 0}, {-sinf(angle), 0, cosf(angle)}};
  float low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
  for (int i = 0; i < 3 * count; i++) {
    float at = vec3_dot(vertices[i / 3].position, axes[i % 3]);
    low[i % 3] = fminf(low[i % 3], at);
    high[i % 3] = fmaxf(high[i % 3], at);
  }
  box made = {0};
  for (int i = 0; i < 8 * 3; i++) {
    vec3 *corner = &made.corners[i / 3];
    *corner = vec3_add(*corner, vec3_scale(axes[i % 3], (i / 3 >> i % 3 & 1) != 0 ? high[i % 3] : low[i % 3]));
  }
  return made;
}

int world_build(world *made) {
  int result = mesh_open(&made->mesh, VERTICES_MAX);
  if (result < 0) return result;
  mesh *mesh = &made->mesh;
  for (int i = 0; i < WORLD_PIECES_COUNT; i++) {
    int first = (int)mesh->count, wedge = i / 4;
    switch (i % 4) {
      case 0:
      case 1:
        island_add_trees(mesh, wedge, i % 4 == 0);
        island_add_land(mesh, wedge, i % 4 == 0);
        break;
      case 2: horizon_add_sea(mesh, wedge); break;
      default: horizon_add_sky(mesh, wedge);
    }
    int count = (int)mesh->count - first;
    made->pieces[i] = (world_piece){first, count, bounds_of(mesh->vertices + first, count, wedge)};
  }
  return 0;
}

int world_visible(const world *world, const camera *camera, const world_piece *visible[WORLD_PIECES_COUNT]) {
  float distances[WORLD_PIECES_COUNT];
  int count = 0;
  for (int i = 0; i < WORLD_PIECES_COUNT; i++) {
    const world_piece *piece = &world->pieces[i];
    if (!camera_sees(camera, &piece->bounds)) continue;
    float distance =
        vec3_length(vec3_subtract(vec3_mix(piece->bounds.corners[0], piece->bounds.corners[7], 0.5f), camera->eye));
    int place = count++;
    for (; place > 0 && distances[place - 1] > distance; place--) {
      distances[place] = distances[place - 1];
      visible[place] = visible[place - 1];
    }
    distances[place] = distance;
    visible[place] = piece;
  }
  return count;
}
