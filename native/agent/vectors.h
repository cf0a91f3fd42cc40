/* Vectors of three. */
#ifndef AGENT_VECTORS_H
#define AGENT_VECTORS_H

#include <math.h>

typedef struct vec3 {
  float x, y, z; /* y is up */
} vec3;

static inline vec3 vec3_add(vec3 a, vec3 b) { return (vec3){a.x + b.x, a.y + b.y, a.z + b.z}; }
static inline vec3 vec3_subtract(vec3 a, vec3 b) { return (vec3){a.x - b.x, a.y - b.y, a.z - b.z}; }
static inline vec3 vec3_scale(vec3 a, float by) { return (vec3){a.x * by, a.y * by, a.z * by}; }
static inline vec3 vec3_mix(vec3 a, vec3 b, float share) {
  return vec3_add(vec3_scale(a, 1 - share), vec3_scale(b, share));
}
static inline float vec3_dot(vec3 a, vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static inline vec3 vec3_cross(vec3 a, vec3 b) {
  return (vec3){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
static inline float vec3_length(vec3 a) { return sqrtf(vec3_dot(a, a)); }
static inline vec3 vec3_unit(vec3 a) { return vec3_scale(a, 1 / fmaxf(vec3_length(a), 1e-9f)); }

static inline float smooth_share(float from, float to, float value) {
  float share = fminf(fmaxf((value - from) / (to - from), 0), 1);
  return share * share * (3 - 2 * share);
}

#endif
