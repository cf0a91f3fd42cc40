#include "mesh.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "error.h"

const vec3 sun_direction = {0.5698f, 0.4444f, 0.6913f};

int mesh_open(mesh *mesh, size_t vertices_max) {
  *mesh = (struct mesh){.vertices = malloc(vertices_max * sizeof(vertex)), .count_max = vertices_max};
  return mesh->vertices != NULL ? 0 : error_set(ENOMEM, "cannot make a scene: no memory");
}

void mesh_close(mesh *mesh) { free(mesh->vertices); }

vec3 colour_of(uint32_t rgb) {
  return (vec3){(float)(rgb >> 16 & 255) / 255, (float)(rgb >> 8 & 255) / 255, (float)(rgb & 255) / 255};
}

vec3 lit(vec3 colour, vec3 normal) {
  /* A warm sun, a blue sky above, and a little that the ground throws back. */
  float sun = fmaxf(vec3_dot(normal, sun_direction), 0), sky = 0.5f + 0.5f * normal.y;
  vec3 light = vec3_add(vec3_scale((vec3){1.0f, 0.86f, 0.66f}, 0.78f * sun),
                        vec3_add(vec3_scale((vec3){0.62f, 0.74f, 1.0f}, 0.36f * sky), (vec3){0.13f, 0.11f, 0.10f}));
  return (vec3){colour.x * light.x, colour.y * light.y, colour.z * light.z};
}

static uint8_t to_byte(float value) { return (uint8_t)(fminf(fmaxf(value, 0), 1) * 255 + 0.5f); }

void mesh_vertex(mesh *mesh, vec3 position, vec3 colour, uint8_t haze) {
  assert(mesh->count < mesh->count_max);
  mesh->vertices[mesh->count++] = (vertex){position, {to_byte(colour.x), to_byte(colour.y), to_byte(colour.z)}, haze};
}

void mesh_triangle(mesh *mesh, vec3 a, vec3 b, vec3 c, vec3 colour) {
  vec3 shown = lit(colour, vec3_unit(vec3_cross(vec3_subtract(b, a), vec3_subtract(c, a))));
  mesh_vertex(mesh, a, shown, 255);
  mesh_vertex(mesh, b, shown, 255);
  mesh_vertex(mesh, c, shown, 255);
}

void mesh_beam(mesh *mesh, vec3 from, vec3 to, vec3 side, float width, float thickness, float taper, vec3 colour) {
  /* Corner i: bit 0 the end, bit 1 the side, bit 2 the third direction. Faces counterclockwise from outside. */
  static const uint8_t faces[6][4] = {{0, 4, 6, 2}, {1, 3, 7, 5}, {0, 1, 5, 4},
                                      {2, 6, 7, 3}, {0, 2, 3, 1}, {4, 5, 7, 6}};
  vec3 along = vec3_unit(vec3_subtract(to, from));
  vec3 third = vec3_unit(vec3_cross(along, side)), second = vec3_cross(third, along), corners[8];
  for (int i = 0; i < 8; i++) {
    float size = (i & 1) != 0 ? taper / 2 : 0.5f;
    vec3 across = vec3_scale(second, (i & 2) != 0 ? width * size : -width * size);
    vec3 up = vec3_scale(third, (i & 4) != 0 ? thickness * size : -thickness * size);
    corners[i] = vec3_add((i & 1) != 0 ? to : from, vec3_add(across, up));
  }
  for (int i = 0; i < 6; i++) {
    const uint8_t *face = faces[i];
    mesh_triangle(mesh, corners[face[0]], corners[face[1]], corners[face[2]], colour);
    mesh_triangle(mesh, corners[face[0]], corners[face[2]], corners[face[3]], colour);
  }
}
