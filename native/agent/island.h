/* An island with a mountain, a trail around it, and trees. */
#ifndef AGENT_ISLAND_H
#define AGENT_ISLAND_H

#include <stdbool.h>

#include "mesh.h"

/* The trail is a circle around the origin; a point of it (at its middle: ISLAND_TRAIL_RADIUS) at an angle in radians.
 */
#define ISLAND_TRAIL_RADIUS 11.0f
vec3 island_trail_point(float angle, float radius);

/* Add one of WORLD_WEDGES pieces: what lies within the trail, or the trail and what lies outside. */
void island_add_land(mesh *mesh, int wedge, bool is_inner);
void island_add_trees(mesh *mesh, int wedge, bool is_inner);

#endif
