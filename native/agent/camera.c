#include "camera.h"

camera camera_at(vec3 eye, vec3 target, float aspect, float field_of_view, float near, float far) {
  vec3 back = vec3_unit(vec3_subtract(eye, target));
  vec3 right = vec3_unit(vec3_cross((vec3){0, 1, 0}, back)), up = vec3_cross(back, right);
  float scale = 1 / tanf(field_of_view / 2), depth = (far + near) / (near - far), shift = 2 * far * near / (near - far);
  const vec3 axes[3] = {vec3_scale(right, scale / aspect), vec3_scale(up, -scale), back};
  const float rows[4][4] = {
      {axes[0].x, axes[0].y, axes[0].z, -vec3_dot(axes[0], eye)},
      {axes[1].x, axes[1].y, axes[1].z, -vec3_dot(axes[1], eye)},
      {depth * back.x, depth * back.y, depth * back.z, -depth * vec3_dot(back, eye) + shift},
      {-back.x, -back.y, -back.z, vec3_dot(back, eye)},
  };
  camera made = {.eye = eye};
  for (int i = 0; i < 16; i++) made.matrix[i] = rows[i % 4][i / 4];
  return made;
}

/* How far a point is within one of the planes through the picture's four sides (Gribb and Hartmann: sums of the
 * matrix's rows), in no unit. */
static float distance_within(const float *matrix, int side, vec3 point) {
  const float *axis = matrix + side / 2, *depth = matrix + 3;
  float sign = side % 2 == 0 ? 1 : -1;
  return (depth[0] + sign * axis[0]) * point.x + (depth[4] + sign * axis[4]) * point.y +
         (depth[8] + sign * axis[8]) * point.z + depth[12] + sign * axis[12];
}

bool camera_sees(const camera *camera, const box *box) {
  for (int side = 0; side < 4; side++) {
    int corner = 0;
    while (corner < 8 && distance_within(camera->matrix, side, box->corners[corner]) < 0) corner++;
    if (corner == 8) return false;
  }
  return true;
}
