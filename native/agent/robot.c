#include "robot.h"

#include <math.h>
#include <stdint.h>

#include "island.h"
#include "world.h"

#define SPEED 1.25        /* along the trail, a second */
#define STRIDE 0.95       /* from one step of a foot to its next */
#define STANCE 0.55       /* of a step's time, the foot stands */
#define LIFT 0.24f        /* of a foot that swings */
#define BODY_HEIGHT 0.86f /* over the trail */
#define THIGH 0.46f
#define SHIN 0.52f
#define LAPS_PERIOD (TAU * ISLAND_TRAIL_RADIUS)

/* A leg: where its hip is on the body (forward, right), and when it steps: diagonal legs together. */
typedef struct leg {
  float forward, right;
  double phase;
} leg;

static const leg legs[4] = {{0.52f, -0.27f, 0}, {0.52f, 0.27f, 0.5}, {-0.52f, -0.27f, 0.5}, {-0.52f, 0.27f, 0}};

static vec3 at_way(double way, float right, float up) {
  float angle = (float)(fmod(way, LAPS_PERIOD) / ISLAND_TRAIL_RADIUS);
  vec3 point = island_trail_point(angle, ISLAND_TRAIL_RADIUS - right);
  point.y += up;
  return point;
}

/* A foot stands half its stance's way in front of its hip, and leaves the ground as far behind it. */
static vec3 foot_at(const leg *leg, double way) {
  double steps = way / STRIDE + leg->phase, step = floor(steps);
  float share = (float)(steps - step);
  double stands_at = (step - leg->phase + STANCE / 2) * STRIDE + leg->forward;
  float swing = smooth_share((float)STANCE, 1, share);
  float lift = LIFT * sinf(fmaxf(share - (float)STANCE, 0) / (1 - (float)STANCE) * TAU / 2);
  return at_way(stands_at + STRIDE * (double)swing, leg->right, lift + 0.04f);
}

/* The knee of a leg bent forward: two sides of a triangle are as long as the bones. */
static vec3 knee_between(vec3 hip, vec3 foot, vec3 forward) {
  vec3 down = vec3_subtract(foot, hip);
  float reach = fminf(vec3_length(down), THIGH + SHIN - 0.01f);
  float along = (THIGH * THIGH - SHIN * SHIN + reach * reach) / (2 * reach);
  float out = sqrtf(fmaxf(THIGH * THIGH - along * along, 0));
  vec3 axis = vec3_unit(down);
  vec3 bend = vec3_unit(vec3_subtract(forward, vec3_scale(axis, vec3_dot(forward, axis))));
  return vec3_add(hip, vec3_add(vec3_scale(axis, along), vec3_scale(bend, -out)));
}

robot_pose robot_pose_at(double seconds) {
  double way = seconds * SPEED;
  float bob = 0.03f * sinf((float)(fmod(way / STRIDE, 1) * 2) * TAU);
  vec3 front = at_way(way + 0.52, 0, BODY_HEIGHT + bob), back = at_way(way - 0.52, 0, BODY_HEIGHT + bob);
  return (robot_pose){.middle = vec3_mix(front, back, 0.5f),
                      .forward = vec3_unit(vec3_subtract(front, back)),
                      .angle = (float)(fmod(way, LAPS_PERIOD) / ISLAND_TRAIL_RADIUS)};
}

static void add_shadow(mesh *mesh, const robot_pose *pose) {
  const vec3 colour = colour_of(0x8a6c50);
  float span = 0.95f / ISLAND_TRAIL_RADIUS;
  for (int part = 0; part < 6; part++) {
    float from = pose->angle + span * ((float)part / 3 - 1), to = from + span / 3;
    float narrow[2] = {0.42f * sqrtf(1 - powf((float)part / 3 - 1, 2)),
                       0.42f * sqrtf(1 - powf((float)(part + 1) / 3 - 1, 2))};
    vec3 corners[4];
    for (int i = 0; i < 4; i++) {
      float side = (i & 1) != 0 ? narrow[i / 2] : -narrow[i / 2];
      corners[i] = island_trail_point(i < 2 ? from : to, ISLAND_TRAIL_RADIUS + side);
      corners[i].y += 0.02f;
    }
    mesh_triangle(mesh, corners[0], corners[2], corners[1], colour);
    mesh_triangle(mesh, corners[1], corners[2], corners[3], colour);
  }
}

static void add_leg(mesh *mesh, const robot_pose *pose, vec3 right, vec3 up, const leg *leg, double way) {
  vec3 hip = vec3_add(pose->middle, vec3_add(vec3_scale(pose->forward, leg->forward),
                                             vec3_add(vec3_scale(right, leg->right), vec3_scale(up, -0.06f))));
  vec3 foot = foot_at(leg, way), knee = knee_between(hip, foot, pose->forward);
  mesh_beam(mesh, hip, knee, right, 0.15f, 0.22f, 0.7f, colour_of(0xe8eaf0));
  mesh_beam(mesh, knee, foot, right, 0.10f, 0.13f, 0.6f, colour_of(0x3d4454));
  mesh_beam(mesh, vec3_add(foot, (vec3){0, -0.04f, 0}), vec3_add(foot, (vec3){0, 0.05f, 0}), right, 0.13f, 0.17f, 0.8f,
            colour_of(0x22262f));
  mesh_beam(mesh, vec3_add(hip, vec3_scale(right, -0.1f)), vec3_add(hip, vec3_scale(right, 0.1f)), up, 0.24f, 0.24f, 1,
            colour_of(0xf08a24));
}

static void add_body(mesh *mesh, const robot_pose *pose, vec3 right, vec3 up, double seconds) {
  vec3 forward = pose->forward, middle = pose->middle;
  vec3 front = vec3_add(middle, vec3_scale(forward, 0.66f)), back = vec3_add(middle, vec3_scale(forward, -0.66f));
  mesh_beam(mesh, back, front, right, 0.46f, 0.26f, 0.92f, colour_of(0xf2f4f8));
  vec3 deck = vec3_scale(up, 0.16f);
  mesh_beam(mesh, vec3_add(vec3_mix(back, front, 0.12f), deck), vec3_add(vec3_mix(back, front, 0.62f), deck), right,
            0.34f, 0.12f, 1, colour_of(0xf08a24));
  /* It looks about as it goes. */
  float turn = 0.35f * sinf((float)fmod(seconds, 1000) * 0.9f);
  vec3 gaze = vec3_add(vec3_scale(forward, cosf(turn)), vec3_scale(right, sinf(turn)));
  vec3 gaze_right = vec3_cross(gaze, up), neck = vec3_add(front, vec3_scale(up, 0.10f));
  vec3 head = vec3_add(neck, vec3_add(vec3_scale(forward, 0.16f), vec3_scale(up, 0.22f)));
  mesh_beam(mesh, neck, head, right, 0.14f, 0.14f, 0.9f, colour_of(0x3d4454));
  mesh_beam(mesh, vec3_add(head, vec3_scale(gaze, -0.16f)), vec3_add(head, vec3_scale(gaze, 0.24f)), gaze_right, 0.32f,
            0.22f, 0.85f, colour_of(0xf2f4f8));
  mesh_beam(mesh, vec3_add(head, vec3_scale(gaze, 0.23f)), vec3_add(head, vec3_scale(gaze, 0.27f)), gaze_right, 0.24f,
            0.10f, 1, colour_of(0x1c2a3a));
  vec3 mast = vec3_add(back, vec3_scale(forward, 0.2f));
  vec3 tip = vec3_add(mast, vec3_add(vec3_scale(up, 0.62f), vec3_scale(forward, -0.08f)));
  mesh_beam(mesh, mast, tip, right, 0.03f, 0.03f, 1, colour_of(0x22262f));
  bool is_lit = fmod(seconds, 1.0) < 0.5;
  mesh_beam(mesh, tip, vec3_add(tip, vec3_scale(up, 0.07f)), right, 0.07f, 0.07f, 1,
            colour_of(is_lit ? 0xff5a4a : 0x70302a));
}

void robot_build(double seconds, mesh *made) {
  robot_pose pose = robot_pose_at(seconds);
  vec3 right = vec3_unit(vec3_cross(pose.forward, (vec3){0, 1, 0})), up = vec3_cross(right, pose.forward);
  add_body(made, &pose, right, up, seconds);
  for (int i = 0; i < 4; i++) add_leg(made, &pose, right, up, &legs[i], seconds * SPEED);
  add_shadow(made, &pose);
}
