/*
 * mountain.h: the mountain-car task of A. W. Moore (PhD thesis, Cambridge 1990) with the dynamics and bounds
 * of R. S. Sutton and A. G. Barto, Reinforcement Learning: An Introduction, 2nd edition, Example 10.1.
 *
 * An engine too weak to climb the hill must first swing away from the goal. Each step costs a reward of -1,
 * the one that reaches the goal 0, so the return of an episode is minus the steps it took.
 */
#ifndef DEMO_MOUNTAIN_H
#define DEMO_MOUNTAIN_H

#include "random.h"

#define MOUNTAIN_POSITION_MIN (-1.2)
#define MOUNTAIN_POSITION_GOAL 0.5
#define MOUNTAIN_VELOCITY_MAX 0.07 /* position per step, either way */
#define MOUNTAIN_ACTIONS 3         /* 0 full throttle back, 1 coast, 2 full throttle ahead */

/* The book lets an episode run for as long as it takes. A watched demo starts over after this many steps. */
#define MOUNTAIN_EPISODE_STEPS_MAX 1000

typedef struct mountain_car {
  double position;
  double velocity; /* position per step */
  unsigned episode_steps;
} mountain_car;

typedef struct mountain_step {
  double reward;
  int reached_goal;
  int truncated; /* out of steps: the episode ends, but its last state is not an end */
} mountain_step;

/* At rest, at a position drawn uniformly from [-0.6, -0.4). */
void mountain_reset(mountain_car *car, random_source *random);

mountain_step mountain_advance(mountain_car *car, int action);

#endif
