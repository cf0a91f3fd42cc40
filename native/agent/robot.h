/* A machine on four legs that trots around the island. Its feet stay where they stand; knees follow from hips and feet.
 */
#ifndef AGENT_ROBOT_H
#define AGENT_ROBOT_H

#include "mesh.h"

/* Enough room for one. */
#define ROBOT_VERTICES_MAX (24 * MESH_BEAM_VERTICES)

typedef struct robot_pose {
  vec3 middle;  /* of its body */
  vec3 forward; /* of length 1 */
  float angle;  /* on the trail */
} robot_pose;

robot_pose robot_pose_at(double seconds);

/* The mesh must be empty. */
void robot_build(double seconds, mesh *made);

#endif
