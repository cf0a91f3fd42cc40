/*
 * scene.h: the mountain car as a picture. The picture is LEARNER_POSITION_SPAN of position wide, from
 * MOUNTAIN_POSITION_MIN on, whatever its size in pixels.
 */
#ifndef DEMO_SCENE_H
#define DEMO_SCENE_H

#include <stdint.h>

#include "mountain.h"

#define SCENE_TRAIL_POINTS 48

typedef struct scene scene;

/* What to draw of one car: where it is, and the action it took last. */
typedef struct scene_car {
  double position;
  int action;
} scene_car;

/* NULL when there is no memory for it. width and height are pixels, 64 to 4096. */
scene *scene_create(int width, int height);
void scene_destroy(scene *scene);

/* Forgets the first car's trail, because it was put somewhere else. */
void scene_cut_trail(scene *scene);

/* Draws the cars, the first on top and in full colour, the others faint. The picture, RGB8 without padding, stays the
 * scene's and is overwritten by the next call. `time_s` moves the flag. */
const uint8_t *scene_draw(scene *scene, const scene_car *cars, int cars_count, double time_s);

#endif
