#include "scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backdrop.h"
#include "canvas.h"
#include "learner.h"

struct scene {
  canvas canvas;
  uint8_t *backdrop;
  landscape land;
  double trail[SCENE_TRAIL_POINTS]; /* positions of the first car, a ring */
  unsigned trail_points;            /* ever added since the last cut */
};

scene *scene_create(int width, int height) {
  scene *made = calloc(1, sizeof *made);
  const size_t bytes = (size_t)width * (size_t)height * 3;
  if (made == NULL) {
    return NULL;
  }
  made->canvas = (canvas){.pixels = malloc(bytes), .width = width, .height = height};
  made->backdrop = malloc(bytes);
  if (made->canvas.pixels == NULL || made->backdrop == NULL) {
    scene_destroy(made);
    return NULL;
  }
  made->land = landscape_for(width, height);
  canvas behind = {.pixels = made->backdrop, .width = width, .height = height};
  backdrop_paint(&behind, &made->land);
  return made;
}

void scene_destroy(scene *scene) {
  if (scene != NULL) {
    free(scene->canvas.pixels);
    free(scene->backdrop);
    free(scene);
  }
}

void scene_cut_trail(scene *scene) { scene->trail_points = 0; }

/* A car's own axes on the screen: `right` along the slope, `up` away from the ground. */
typedef struct frame_of_car {
  point ground;
  float cosine, sine;
  float size; /* pixels per unit of the car's drawing, which is 2 wide */
} frame_of_car;

static point place(frame_of_car axes, float right, float up) {
  right *= axes.size;
  up *= axes.size;
  return (point){axes.ground.x + right * axes.cosine - up * axes.sine,
                 axes.ground.y - right * axes.sine - up * axes.cosine};
}

static void draw_polygon(canvas *canvas, frame_of_car axes, const point *shape, int corners_count, float margin,
                         colour colour) {
  point corners[CANVAS_CORNERS_MAX];
  for (int index = 0; index < corners_count; index++) {
    corners[index] = place(axes, shape[index].x, shape[index].y);
  }
  canvas_polygon(canvas, corners, corners_count, margin * axes.size, colour);
}

static frame_of_car frame_at(const scene *scene, double position, float size) {
  const float slope = landscape_slope(&scene->land, position);
  const float length = sqrtf(1 + slope * slope);
  return (frame_of_car){landscape_point(&scene->land, position), 1 / length, slope / length, size};
}

static const point BODY[] = {{-0.92f, 0.62f}, {0.95f, 0.62f}, {1.0f, 0.42f},
                             {0.96f, 0.3f},   {-0.96f, 0.3f}, {-1.0f, 0.45f}};
static const point CABIN[] = {{-0.42f, 1.02f}, {0.22f, 1.02f}, {0.56f, 0.62f}, {-0.68f, 0.62f}};
static const point WINDOW_BACK[] = {{-0.36f, 0.96f}, {-0.12f, 0.96f}, {-0.12f, 0.68f}, {-0.52f, 0.68f}};
static const point WINDOW_FRONT[] = {{-0.02f, 0.96f}, {0.18f, 0.96f}, {0.42f, 0.68f}, {-0.02f, 0.68f}};

static void draw_wheel(const scene *scene, canvas *canvas, frame_of_car axes, float right, double position) {
  const float wheel_radius = 0.26f;
  const point hub = place(axes, right, wheel_radius);
  canvas_disc(canvas, hub, wheel_radius * axes.size, colour_from_hex(0x15131f, 1));
  canvas_disc(canvas, hub, 0.15f * axes.size, colour_from_hex(0xc9cbe0, 1));
  /* Rolling without slipping: the turn is the way along the ground over the radius. */
  const float turn = (float)landscape_length(&scene->land, position) / (wheel_radius * axes.size);
  for (int spoke = 0; spoke < 3; spoke++) {
    const float angle = turn + (float)spoke * (float)M_PI / 3;
    const float reach = 0.13f * axes.size;
    const point from = {hub.x - cosf(angle) * reach, hub.y - sinf(angle) * reach};
    const point to = {hub.x + cosf(angle) * reach, hub.y + sinf(angle) * reach};
    canvas_line(canvas, from, to, fmaxf(0.022f * axes.size, 0.4f), colour_from_hex(0x3b3950, 1));
  }
}

static void draw_car(scene *scene, scene_car car) {
  canvas *canvas = &scene->canvas;
  const frame_of_car axes = frame_at(scene, car.position, scene->land.unit * 24);
  canvas_line(canvas, place(axes, -0.85f, 0.0f), place(axes, 0.85f, 0.0f), 0.09f * axes.size,
              colour_from_hex(0x05030a, 0.45f));
  if (car.action == 2) {
    canvas_glow(canvas, place(axes, -1.15f, 0.42f), 0.75f * axes.size, colour_from_hex(0xffb057, 0.95f));
  } else if (car.action == 0) {
    canvas_glow(canvas, place(axes, 1.15f, 0.42f), 0.75f * axes.size, colour_from_hex(0x7fd6ff, 0.95f));
  }
  draw_polygon(canvas, axes, CABIN, 4, 0.05f, colour_from_hex(0xd8413c, 1));
  draw_polygon(canvas, axes, BODY, 6, 0.05f, colour_from_hex(0xf2564b, 1));
  draw_polygon(canvas, axes, WINDOW_BACK, 4, 0.02f, colour_from_hex(0xd4ecff, 0.95f));
  draw_polygon(canvas, axes, WINDOW_FRONT, 4, 0.02f, colour_from_hex(0xd4ecff, 0.95f));
  canvas_line(canvas, place(axes, -0.9f, 0.56f), place(axes, 0.88f, 0.56f), 0.02f * axes.size,
              colour_from_hex(0xffd2c4, 0.7f));
  canvas_disc(canvas, place(axes, 0.95f, 0.48f), 0.07f * axes.size, colour_from_hex(0xfff3c4, 1));
  canvas_disc(canvas, place(axes, -0.96f, 0.48f), 0.06f * axes.size, colour_from_hex(0x8e1f2a, 1));
  draw_wheel(scene, canvas, axes, -0.56f, car.position);
  draw_wheel(scene, canvas, axes, 0.58f, car.position);
}

static void draw_faint_car(scene *scene, scene_car car) {
  const frame_of_car axes = frame_at(scene, car.position, scene->land.unit * 15);
  const colour tint = colour_from_hex(0xb9b4ea, 0.34f);
  draw_polygon(&scene->canvas, axes, CABIN, 4, 0.05f, tint);
  draw_polygon(&scene->canvas, axes, BODY, 6, 0.05f, tint);
  canvas_disc(&scene->canvas, place(axes, -0.56f, 0.24f), 0.24f * axes.size, tint);
  canvas_disc(&scene->canvas, place(axes, 0.58f, 0.24f), 0.24f * axes.size, tint);
}

static void draw_trail(scene *scene) {
  const unsigned kept = scene->trail_points < SCENE_TRAIL_POINTS ? scene->trail_points : SCENE_TRAIL_POINTS;
  for (unsigned age = kept; age-- > 0;) {
    const double position = scene->trail[(scene->trail_points - 1 - age) % SCENE_TRAIL_POINTS];
    const float youth = 1 - (float)age / SCENE_TRAIL_POINTS;
    const point centre = place(frame_at(scene, position, scene->land.unit * 24), 0, 0.45f);
    canvas_disc(&scene->canvas, centre, scene->land.unit * (1.2f + 3.2f * youth),
                colour_from_hex(0xffc98a, 0.20f * youth));
  }
}

static void draw_flag(scene *scene, double time_s) {
  canvas *canvas = &scene->canvas;
  const float unit = scene->land.unit;
  const point foot = landscape_point(&scene->land, MOUNTAIN_POSITION_GOAL);
  const point top = {foot.x, foot.y - 58 * unit};
  canvas_line(canvas, foot, top, 1.3f * unit, colour_from_hex(0xe9e6ff, 1));
  canvas_disc(canvas, top, 2.4f * unit, colour_from_hex(0xfff3c4, 1));
  /* The cloth hangs off the pole as a row of narrow convex strips, each a little later in the wave. */
  const int strips = 12;
  const float strip_width = 30 * unit / (float)strips;
  for (int strip = 0; strip < strips; strip++) {
    point corners[4];
    for (int side = 0; side < 2; side++) {
      const float along = (float)(strip + side) / (float)strips;
      const float wave = sinf((float)fmod(time_s, 1e4) * 5 - along * 5.5f) * 3.2f * unit * along;
      const float half = (1 - 0.55f * along) * 9 * unit;
      const float x = top.x + 1.2f * unit + (float)(strip + side) * strip_width;
      const float y = top.y + 11 * unit + wave;
      corners[side] = (point){x, y - half};
      corners[3 - side] = (point){x, y + half};
    }
    const float light = 0.5f + 0.5f * sinf((float)fmod(time_s, 1e4) * 5 - (float)strip * 0.46f + 1);
    canvas_polygon(canvas, corners, 4, 0.15f,
                   colour_mix(colour_from_hex(0x25b98a, 1), colour_from_hex(0x63f0bd, 1), light));
  }
}

const uint8_t *scene_draw(scene *scene, const scene_car *cars, int cars_count, double time_s) {
  memcpy(scene->canvas.pixels, scene->backdrop, (size_t)scene->canvas.width * (size_t)scene->canvas.height * 3);
  draw_flag(scene, time_s);
  for (int index = cars_count - 1; index > 0; index--) {
    draw_faint_car(scene, cars[index]);
  }
  scene->trail[scene->trail_points++ % SCENE_TRAIL_POINTS] = cars[0].position;
  draw_trail(scene);
  draw_car(scene, cars[0]);
  return scene->canvas.pixels;
}
