#include "training.h"

#include <math.h>
#include <string.h>

static void begin_episode(training *training, trainee *trainee) {
  mountain_reset(&trainee->car, &training->random);
  trainee->episode = ++training->episodes_begun;
  trainee->episode_return = 0;
}

void training_begin(training *training, int cars, uint64_t seed) {
  memset(training, 0, sizeof *training);
  training->cars = cars;
  training->random.state = seed;
  for (int index = 0; index < cars; index++) {
    begin_episode(training, &training->trainees[index]);
  }
}

void training_advance(training *training, int override, training_step *result) {
  *result = (training_step){0};
  for (int index = 0; index < training->cars; index++) {
    trainee *trainee = &training->trainees[index];
    const mountain_car before = trainee->car;
    trainee->action = index == 0 && override != TRAINING_NO_OVERRIDE
                          ? override
                          : learner_choose(&training->learner, &before, &training->random);
    const mountain_step step = mountain_advance(&trainee->car, trainee->action);
    const double error = learner_update(&training->learner, &before, trainee->action, step, &trainee->car);
    trainee->last_reward = step.reward;
    trainee->episode_return += step.reward;
    training->steps++;
    result->reward += step.reward;
    result->absolute_error += fabs(error);
    if (step.reached_goal || step.truncated) {
      result->ends[result->ends_count++] =
          (episode_end){trainee->episode, trainee->episode_return, index, before.episode_steps + 1, step.reached_goal};
      training->episodes_ended++;
      begin_episode(training, trainee);
    }
  }
}
