/* All that stands still in the scene, in pieces that can be left out where the camera does not see them. */
#ifndef AGENT_WORLD_H
#define AGENT_WORLD_H

#include "camera.h"
#include "mesh.h"

#define TAU 6.2831853f

/* Pieces of pie around the origin. */
#define WORLD_WEDGES 16
#define WORLD_PIECES_COUNT (4 * WORLD_WEDGES)

/* What is far away fades to this; also the sky's colour there. */
#define WORLD_HAZE ((vec3){0.98f, 0.83f, 0.66f})

typedef struct world_piece {
  int first, count; /* vertices */
  box bounds;
} world_piece;

typedef struct world {
  mesh mesh;
  world_piece pieces[WORLD_PIECES_COUNT];
} world;

/* 0, or -ENOMEM. The caller closes the mesh. */
int world_build(world *made);

/* Those that the camera may see, the nearest first, so that least is drawn over; returns how many. */
int world_visible(const world *world, const camera *camera, const world_piece *visible[WORLD_PIECES_COUNT]);

#endif
