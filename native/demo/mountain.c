#include "mountain.h"

#include <math.h>

#define THROTTLE 0.001 /* acceleration of a full throttle, position per step per step */
#define GRAVITY 0.0025

static double clamp(double value, double low, double high) { return value < low ? low : value > high ? high : value; }

void mountain_reset(mountain_car *car, random_source *random) {
  car->position = -0.6 + 0.2 * random_unit(random);
  car->velocity = 0;
  car->episode_steps = 0;
}

mountain_step mountain_advance(mountain_car *car, int action) {
  car->velocity += (action - 1) * THROTTLE - GRAVITY * cos(3 * car->position);
  car->velocity = clamp(car->velocity, -MOUNTAIN_VELOCITY_MAX, MOUNTAIN_VELOCITY_MAX);
  car->position = clamp(car->position + car->velocity, MOUNTAIN_POSITION_MIN, MOUNTAIN_POSITION_GOAL);
  if (car->position <= MOUNTAIN_POSITION_MIN) {
    car->velocity = 0; /* the wall on the left is inelastic */
  }
  car->episode_steps++;
  mountain_step step = {.reward = -1};
  if (car->position >= MOUNTAIN_POSITION_GOAL) {
    step.reward = 0;
    step.reached_goal = 1;
  } else if (car->episode_steps >= MOUNTAIN_EPISODE_STEPS_MAX) {
    step.truncated = 1;
  }
  return step;
}
