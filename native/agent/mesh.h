/* Triangles that grow in memory, each lit as it is added: the sun stands still, so GPUs have nothing left to light. */
#ifndef AGENT_MESH_H
#define AGENT_MESH_H

#include <stddef.h>
#include <stdint.h>

#include "vectors.h"

/* As the vertex buffers have it. */
typedef struct vertex {
  vec3 position;
  uint8_t colour[3]; /* lit, sRGB */
  uint8_t haze;      /* 255 fades with distance, 0 does not */
} vertex;

typedef struct mesh {
  vertex *vertices; /* NULL for no memory: what is added then is dropped */
  size_t count, count_max;
} mesh;

/* 0, or -ENOMEM. */
int mesh_open(mesh *mesh, size_t vertices_max);
void mesh_close(mesh *mesh);

/* Towards the sun, of length 1. */
extern const vec3 sun_direction;

/* Red, green and blue, 0 to 1, of a surface in daylight. */
vec3 colour_of(uint32_t rgb);
vec3 lit(vec3 colour, vec3 normal);

/* Adding beyond the room that there is would be a bug, and ends the program. */
void mesh_vertex(mesh *mesh, vec3 position, vec3 colour, uint8_t haze);

/* Counterclockwise as seen from where it shows. */
void mesh_triangle(mesh *mesh, vec3 a, vec3 b, vec3 c, vec3 colour);

/* A beam between two points, `width` along `side` (about at right angles to it) and `thickness` along the third
 * direction; its ends may differ in size by `taper`, 1 = the same. */
void mesh_beam(mesh *mesh, vec3 from, vec3 to, vec3 side, float width, float thickness, float taper, vec3 colour);

#define MESH_BEAM_VERTICES 36

#endif
