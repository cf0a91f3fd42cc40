#include "island.h"

#include <math.h>
#include <stdint.h>

#include "world.h"

#define TRAIL_HALF 0.9f
#define TREES 72
#define TREE_SIDES 5

/* Circles of the terrain's corners, and how many there are on them in each wedge: as many as those of the next one
 * within, or twice as many. The trail lies between two of them. */
typedef struct ring {
  float radius;
  int corners;
} ring;

static const ring rings[] = {
    {0.0f, 1},
    {1.3f, 1},
    {2.6f, 2},
    {4.0f, 2},
    {5.4f, 2},
    {7.0f, 4},
    {8.6f, 4},
    {ISLAND_TRAIL_RADIUS - TRAIL_HALF, 4},
    {ISLAND_TRAIL_RADIUS + TRAIL_HALF, 4},
    {13.4f, 4},
    {15.0f, 4},
    {16.8f, 4},
    {18.8f, 4},
    {22.0f, 4},
};
#define RINGS ((int)(sizeof rings / sizeof rings[0]))
#define TRAIL_RING 7 /* its inner edge */

/* No trees on the trail, nor where the camera moves. */
static const float trees_gap[2] = {9.2f, 16.4f};

/* 0 to 1 for a pair of integers: the finaliser of MurmurHash3. */
static float noise_at(int x, int z) {
  uint32_t bits = (uint32_t)x * 0x9e3779b1u ^ (uint32_t)z * 0x85ebca77u;
  bits ^= bits >> 16;
  bits *= 0x85ebca6bu;
  bits ^= bits >> 13;
  bits *= 0xc2b2ae35u;
  return (float)(bits >> 8) / (float)(1 << 24);
}

static float noise(float x, float z) {
  float floor_x = floorf(x), floor_z = floorf(z);
  int column = (int)floor_x, row = (int)floor_z;
  float right = smooth_share(0, 1, x - floor_x), down = smooth_share(0, 1, z - floor_z);
  float upper = noise_at(column, row) * (1 - right) + noise_at(column + 1, row) * right;
  float lower = noise_at(column, row + 1) * (1 - right) + noise_at(column + 1, row + 1) * right;
  return upper * (1 - down) + lower * down;
}

static float trail_height(float angle) { return 1.05f + 0.28f * sinf(2 * angle) + 0.17f * sinf(3 * angle + 1); }

static float height_at(float radius, float angle) {
  float x = radius * cosf(angle), z = radius * sinf(angle);
  float hills = 1.5f * noise(x * 0.31f, z * 0.31f) + 0.6f * noise(x * 0.83f + 40, z * 0.83f);
  float mountain = (7.2f + 4.5f * (noise(x * 0.6f + 9, z * 0.6f) - 0.5f)) * expf(-radius * radius / 19);
  float wild = 0.35f + hills + mountain;
  /* Level at the trail, under the sea at the island's edge. */
  float away = smooth_share(TRAIL_HALF, TRAIL_HALF + 2.2f, fabsf(radius - ISLAND_TRAIL_RADIUS));
  float land = trail_height(angle) * (1 - away) + wild * away;
  float shore = smooth_share(15.0f + 4 * noise(cosf(angle) * 2 + 5, sinf(angle) * 2), 22.0f, radius);
  return land * (1 - shore) - 0.9f * shore;
}

vec3 island_trail_point(float angle, float radius) {
  return (vec3){radius * cosf(angle), trail_height(angle), radius * sinf(angle)};
}

/* A corner's number may lie beyond its wedge's last. Away from the trail none lies just where it should. */
static vec3 ground_point(int ring, int wedge, int corner) {
  int corners = rings[ring].corners, number = (wedge * corners + corner) % (WORLD_WEDGES * corners);
  float angle = TAU * (float)number / (float)(WORLD_WEDGES * corners), radius = rings[ring].radius;
  if (ring > 0 && ring < TRAIL_RING) {
    angle += 0.25f / (float)corners * (noise_at(ring, number) - 0.5f);
    radius += 0.7f * (noise_at(number, ring + 77) - 0.5f);
  } else if (ring > TRAIL_RING + 1 && ring + 1 < RINGS) {
    angle += 0.04f * (noise_at(ring, number) - 0.5f);
    radius += 0.8f * (noise_at(number, ring + 77) - 0.5f);
  }
  return (vec3){radius * cosf(angle), height_at(radius, angle), radius * sinf(angle)};
}

static vec3 ground_colour(vec3 middle, float steepness, float grain) {
  vec3 grass = vec3_mix(colour_of(0x6fa03c), colour_of(0x9dbb4e), grain);
  vec3 rock = vec3_mix(colour_of(0x7d736d), colour_of(0x9a8f86), grain);
  vec3 sand = vec3_mix(colour_of(0xe3cf98), colour_of(0xf0dfb0), grain);
  vec3 colour = vec3_mix(grass, rock, fmaxf(smooth_share(2.6f, 3.6f, middle.y), smooth_share(0.62f, 0.95f, steepness)));
  colour = vec3_mix(colour, colour_of(0xf7f7fb), smooth_share(5.2f, 5.8f, middle.y + 0.8f * (grain - 0.5f)));
  return vec3_mix(sand, colour, smooth_share(0.25f, 0.55f, middle.y));
}

static void add_ground(mesh *mesh, vec3 a, vec3 b, vec3 c, bool is_trail, float grain) {
  vec3 middle = vec3_scale(vec3_add(a, vec3_add(b, c)), 1.0f / 3);
  vec3 normal = vec3_unit(vec3_cross(vec3_subtract(b, a), vec3_subtract(c, a)));
  vec3 colour = is_trail ? vec3_mix(colour_of(0xc9a77a), colour_of(0xd8b98c), grain)
                         : ground_colour(middle, sqrtf(fmaxf(1 - normal.y * normal.y, 0)), grain);
  mesh_triangle(mesh, a, b, c, colour);
}

void island_add_land(mesh *mesh, int wedge, bool is_inner) {
  for (int ring = is_inner ? 0 : TRAIL_RING; ring < (is_inner ? TRAIL_RING : RINGS - 1); ring++) {
    bool is_trail = ring == TRAIL_RING, is_split = rings[ring + 1].corners > rings[ring].corners;
    for (int i = 0; i < rings[ring].corners; i++) {
      int split = is_split ? 2 : 1, number = wedge * 8 + i;
      vec3 inner[2] = {ground_point(ring, wedge, i), ground_point(ring, wedge, i + 1)};
      vec3 first = ground_point(ring + 1, wedge, split * i), last = ground_point(ring + 1, wedge, split * (i + 1));
      vec3 middle = is_split ? ground_point(ring + 1, wedge, 2 * i + 1) : first;
      if (ring > 0) add_ground(mesh, inner[0], inner[1], middle, is_trail, noise_at(ring + 300, number));
      if (is_split) add_ground(mesh, inner[0], middle, first, is_trail, noise_at(ring + 900, number));
      add_ground(mesh, inner[1], last, middle, is_trail, noise_at(ring + 600, number));
    }
  }
}

static void add_cone(mesh *mesh, vec3 foot, float radius, float height, int sides, float turn, vec3 colour) {
  vec3 top = vec3_add(foot, (vec3){0, height, 0});
  for (int side = 0; side < sides; side++) {
    float from = turn + TAU * (float)side / (float)sides, to = turn + TAU * (float)(side + 1) / (float)sides;
    vec3 a = vec3_add(foot, (vec3){radius * cosf(from), 0, radius * sinf(from)});
    vec3 b = vec3_add(foot, (vec3){radius * cosf(to), 0, radius * sinf(to)});
    mesh_triangle(mesh, b, a, top, colour);
  }
}

void island_add_trees(mesh *mesh, int wedge, bool is_inner) {
  for (int tree = 0; tree < TREES; tree++) {
    float radius = 5.5f + 11.5f * noise_at(tree, 1), angle = TAU * noise_at(tree, 2),
          size = 0.7f + 0.7f * noise_at(tree, 3);
    float height = height_at(radius, angle);
    if ((int)(angle / TAU * WORLD_WEDGES) != wedge || (radius < ISLAND_TRAIL_RADIUS) != is_inner) continue;
    if (radius > trees_gap[0] && radius < trees_gap[1]) continue;
    if (height < 0.6f || height > 3.2f) continue;
    vec3 foot = {radius * cosf(angle), height - 0.1f, radius * sinf(angle)};
    vec3 colour = vec3_mix(colour_of(0x2f6b46), colour_of(0x5c8f3f), noise_at(tree, 4));
    add_cone(mesh, foot, 0.12f * size, 1.5f * size, 3, angle, colour_of(0x7a5236)); /* the trunk, up into the crown */
    foot.y += 0.3f * size;
    add_cone(mesh, foot, 0.62f * size, 1.1f * size, TREE_SIDES, angle, colour);
    foot.y += 0.6f * size;
    add_cone(mesh, foot, 0.46f * size, 1.0f * size, TREE_SIDES, angle + 0.5f, vec3_scale(colour, 1.12f));
  }
}
