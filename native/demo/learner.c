#include "learner.h"

#include <math.h>

typedef struct cell {
  int row;
  int column;
} cell;

static int bin(double value, double low, double span, int bins) {
  int index = (int)((value - low) / span * bins);
  return index < 0 ? 0 : index >= bins ? bins - 1 : index;
}

static cell cell_of(const mountain_car *car) {
  return (cell){
      .row = bin(car->velocity, -MOUNTAIN_VELOCITY_MAX, 2 * MOUNTAIN_VELOCITY_MAX, LEARNER_ROWS),
      .column = bin(car->position, MOUNTAIN_POSITION_MIN, LEARNER_POSITION_SPAN, LEARNER_COLUMNS),
  };
}

static double best_value(const double *values) {
  double best = values[0];
  for (int action = 1; action < MOUNTAIN_ACTIONS; action++) {
    best = values[action] > best ? values[action] : best;
  }
  return best;
}

int learner_choose(const learner *learner, const mountain_car *car, random_source *random) {
  if (random_unit(random) < LEARNER_EXPLORATION) {
    return (int)(random_next(random) % MOUNTAIN_ACTIONS);
  }
  cell at = cell_of(car);
  const double *values = learner->values[at.row][at.column];
  double best = best_value(values);
  int chosen = 0;
  unsigned ties = 0;
  for (int action = 0; action < MOUNTAIN_ACTIONS; action++) {
    if (values[action] == best && random_next(random) % ++ties == 0) {
      chosen = action; /* the n-th of the best replaces the one before with a chance of 1 in n */
    }
  }
  return chosen;
}

double learner_update(learner *learner, const mountain_car *before, int action, mountain_step step,
                      const mountain_car *after) {
  cell from = cell_of(before);
  cell to = cell_of(after);
  double target = step.reward;
  if (!step.reached_goal) {
    target += LEARNER_DISCOUNT * best_value(learner->values[to.row][to.column]);
  }
  double *value = &learner->values[from.row][from.column][action];
  double error = target - *value;
  *value += LEARNER_RATE * error;
  learner->visited[from.row][from.column] = 1;
  return error;
}

void learner_heat_map(const learner *learner, uint8_t *heat) {
  double worst = -1; /* the first step's cost, so that an empty table does not divide by zero */
  for (int row = 0; row < LEARNER_ROWS; row++) {
    for (int column = 0; column < LEARNER_COLUMNS; column++) {
      worst = fmin(worst, best_value(learner->values[row][column]));
    }
  }
  for (int row = 0; row < LEARNER_ROWS; row++) {
    const int table_row = LEARNER_ROWS - 1 - row;
    for (int column = 0; column < LEARNER_COLUMNS; column++) {
      double goodness = 1 - best_value(learner->values[table_row][column]) / worst;
      uint8_t shade = (uint8_t)(48 + 207 * goodness);
      heat[row * LEARNER_COLUMNS + column] = learner->visited[table_row][column] ? shade : 0;
    }
  }
}
