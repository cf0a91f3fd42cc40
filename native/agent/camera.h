/* From the world to the picture. */
#ifndef AGENT_CAMERA_H
#define AGENT_CAMERA_H

#include <stdbool.h>

#include "vectors.h"

/* The corners of a box. */
typedef struct box {
  vec3 corners[8];
} box;

typedef struct camera {
  vec3 eye;
  float matrix[16]; /* to clip space, columns first, as GL takes it */
} camera;

/* field_of_view: radians from top to bottom. The picture's top row comes out first: y points down, and what was
 * counterclockwise is clockwise. */
camera camera_at(vec3 eye, vec3 target, float aspect, float field_of_view, float near, float far);

/* Whether something within the box may be in the picture. */
bool camera_sees(const camera *camera, const box *box);

#endif
