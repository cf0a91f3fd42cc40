/*
 * learner.h: tabular Q-learning (C. Watkins, 1989; Sutton and Barto, section 6.5) over a grid of position and
 * velocity. Several cars may learn into one table: the method is off-policy, so it does not mind whose steps
 * it sees, a person's at the keyboard included.
 */
#ifndef DEMO_LEARNER_H
#define DEMO_LEARNER_H

#include <stdint.h>

#include "mountain.h"

/* Columns of 0.05 in position from -1.2 to 0.6, where 0.5 and above is the goal; the picture spans the same
 * range, so that the heat map lies under the cars it belongs to. */
#define LEARNER_COLUMNS 36
#define LEARNER_POSITION_SPAN 1.8
#define LEARNER_ROWS 20 /* of velocity */

#define LEARNER_RATE 0.4
#define LEARNER_DISCOUNT 1.0 /* episodic: the return is what counts */
/* Values start at 0, better than any state can be, so that what is untried looks best (Sutton and Barto,
 * section 2.6); this little randomness is only there to leave the table's loops. */
#define LEARNER_EXPLORATION 0.02

typedef struct learner {
  double values[LEARNER_ROWS][LEARNER_COLUMNS][MOUNTAIN_ACTIONS];
  uint8_t visited[LEARNER_ROWS][LEARNER_COLUMNS];
} learner;

/* The action to take: epsilon-greedy, ties broken at random. */
int learner_choose(const learner *learner, const mountain_car *car, random_source *random);

/* Learns from one transition. Returns the temporal-difference error. */
double learner_update(learner *learner, const mountain_car *before, int action, mountain_step step,
                      const mountain_car *after);

/* The value table as a picture, LEARNER_ROWS rows of LEARNER_COLUMNS bytes, the fastest velocity to the right in
 * the first row: 0 never visited, else 48 (the worst value so far) to 255 (the goal). */
void learner_heat_map(const learner *learner, uint8_t *heat);

#endif
