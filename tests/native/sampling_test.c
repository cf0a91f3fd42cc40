/* When the next frame is sampled: arithmetic of turns. */
#include "harness.h"
#include "sampler.h"

static void the_first_frame_is_sampled_at_once(void) {
  tele_stream_settings grid = {.phase_ns = 3, .period_ns = 100, .interval_min_ns = 1000};
  CHECK_EQ(sampler_due_ns(&(sampler){.frame = 0}, &grid, 55), 55);
}

static void without_a_grid_the_interval_decides(void) {
  sampler sampled = {.frame = 1, .at_ns = 1000};
  tele_stream_settings settings = {.interval_min_ns = 0};
  CHECK_EQ(sampler_due_ns(&sampled, &settings, 1001), 1000);
  settings.interval_min_ns = 250;
  CHECK_EQ(sampler_due_ns(&sampled, &settings, 1001), 1250);
}

/* Turns begin at 30, 130, 230 and so on. */
static void each_turn_takes_one_frame(void) {
  tele_stream_settings grid = {.phase_ns = 1030, .period_ns = 100};
  sampler sampled = {.frame = 1, .at_ns = 1030};
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 1031), 1130);
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 1129), 1130);
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 1130), 1130);
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 1180), 1180); /* the turn's first half: at once */
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 1181), 1230); /* its second half: with the next turn */
  sampled.at_ns = 1079;                                  /* late in the same turn */
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 1081), 1130);
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 9999), 10030);
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 10031), 10031);
}

static void turns_wait_for_the_interval(void) {
  tele_stream_settings grid = {.phase_ns = 30, .period_ns = 100, .interval_min_ns = 200};
  sampler sampled = {.frame = 1, .at_ns = 1030};
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 1040), 1230); /* exactly the interval */
  sampled.at_ns = 1031;
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 1040), 1330);
}

/* Times that nobody means end beyond all clocks, and not before now. */
static void what_never_comes_is_not_due(void) {
  sampler sampled = {.frame = 1, .at_ns = 1030};
  tele_stream_settings settings = {.interval_min_ns = UINT64_MAX};
  CHECK(sampler_due_ns(&sampled, &settings, 1031) == UINT64_MAX);
  settings = (tele_stream_settings){.interval_min_ns = UINT64_MAX - 2000, .phase_ns = 30, .period_ns = 100000};
  CHECK(sampler_due_ns(&sampled, &settings, 1031) == UINT64_MAX);
  settings = (tele_stream_settings){.period_ns = UINT64_MAX};
  CHECK(sampler_due_ns(&sampled, &settings, 1031) == UINT64_MAX);
  settings = (tele_stream_settings){.phase_ns = UINT64_MAX, .period_ns = 1};
  CHECK_EQ(sampler_due_ns(&sampled, &settings, 1031), 1031);
}

/* A grid may begin in the future: it reaches back to now all the same. */
static void a_grid_begins_at_its_phase(void) {
  tele_stream_settings grid = {.phase_ns = 5000, .period_ns = 10000};
  sampler sampled = {.frame = 1, .at_ns = 1030};
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 1031), 5000);
  grid.phase_ns = 105000;
  CHECK_EQ(sampler_due_ns(&sampled, &grid, 1031), 5000);
}

static void every_nth_frame_counts_from_the_last_one(void) {
  sampler sampled = {.frame = 7, .at_ns = 1};
  CHECK_EQ(sampler_after(&sampled, &(tele_stream_settings){.every_nth = 0}), 7);
  CHECK_EQ(sampler_after(&sampled, &(tele_stream_settings){.every_nth = 1}), 7);
  CHECK_EQ(sampler_after(&sampled, &(tele_stream_settings){.every_nth = 3}), 9);
  CHECK_EQ(sampler_after(&(sampler){.frame = 0}, &(tele_stream_settings){.every_nth = 3}), 0);
}

static const test tests[] = {
    {"the first frame is sampled at once", the_first_frame_is_sampled_at_once},
    {"without a grid the interval decides", without_a_grid_the_interval_decides},
    {"each turn takes one frame", each_turn_takes_one_frame},
    {"turns wait for the interval", turns_wait_for_the_interval},
    {"what never comes is not due", what_never_comes_is_not_due},
    {"a grid begins at its phase", a_grid_begins_at_its_phase},
    {"every nth frame counts from the last one", every_nth_frame_counts_from_the_last_one},
};
SUITE(sampling, tests);
