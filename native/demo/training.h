/* training.h: cars that learn together, one step of all at a time. */
#ifndef DEMO_TRAINING_H
#define DEMO_TRAINING_H

#include <stdint.h>

#include "learner.h"
#include "mountain.h"
#include "options.h"
#include "random.h"

#define TRAINING_NO_OVERRIDE (-1)

/* One car, its episode and what it did last. */
typedef struct trainee {
  mountain_car car;
  uint64_t episode; /* counted from 1 over all cars, in the order in which they start */
  double episode_return;
  double last_reward;
  int action;
} trainee;

typedef struct episode_end {
  uint64_t episode;
  double episode_return;
  int car;
  unsigned steps;
  int reached_goal;
} episode_end;

typedef struct training {
  learner learner;
  trainee trainees[OPTIONS_CARS_MAX];
  int cars;
  random_source random;
  uint64_t steps;          /* of all cars */
  uint64_t episodes_begun; /* of all cars */
  uint64_t episodes_ended;
} training;

/* What one step of all cars brought. */
typedef struct training_step {
  double reward;         /* summed over the cars */
  double absolute_error; /* summed over the cars */
  int ends_count;
  episode_end ends[OPTIONS_CARS_MAX];
} training_step;

void training_begin(training *training, int cars, uint64_t seed);

/* Moves every car by one step and learns from it. `override` is the first car's action when a person drives it, else
 * TRAINING_NO_OVERRIDE. */
void training_advance(training *training, int override, training_step *result);

#endif
