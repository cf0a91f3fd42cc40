/*
 * mountain_car: telebridge's demo worker. It trains, draws what it does at 60 Hz, and publishes picture, value table
 * and numbers through the C client, as any worker of a user would.
 */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <telebridge.h>

#include "options.h"
#include "scene.h"
#include "training.h"
#include "window.h"

#define GATE_TIMEOUT_MS 100  /* how soon Ctrl-C is seen in a paused run */
#define HID_ARROW_RIGHT 0x4F /* USB HID usage tables, keyboard page */
#define HID_ARROW_LEFT 0x50
#define HID_ARROW_DOWN 0x51
#define LOG_INTERVAL_NS 10000000000u
#define FRAMES_PER_REPORT 6 /* ten a second */
#define SECOND_NS 1000000000u

static volatile sig_atomic_t stop_wanted;

static void on_signal(int number) {
  (void)number;
  stop_wanted = 1;
}

/* Which keys a person holds down; the newest of them drives. */
typedef struct driver {
  int left, right, down;
} driver;

static void take_inputs(tele_producer *producer, driver *driver) {
  tele_input event;
  while (tele_producer_next_input(producer, &event) == 1) {
    if (event.kind == TELE_INPUT_RELEASE_ALL) {
      *driver = (struct driver){0};
    } else if (event.kind == TELE_INPUT_KEY) {
      const int held = event.buttons == 1;
      driver->left = event.code == HID_ARROW_LEFT ? held : driver->left;
      driver->right = event.code == HID_ARROW_RIGHT ? held : driver->right;
      driver->down = event.code == HID_ARROW_DOWN ? held : driver->down;
    }
  }
}

static int driver_action(const driver *driver) {
  if (!driver->left && !driver->right && !driver->down) {
    return TRAINING_NO_OVERRIDE;
  }
  return 1 + driver->right - driver->left;
}

typedef struct demo {
  options options;
  tele_producer *producer;
  scene *scene;
  training training;
  window window;
  window_sums unreported; /* with --json */
  driver driver;
  uint64_t frames;
  uint64_t logged_ns;
} demo;

/* Records as `telebridge run` takes them. */
static void report_ends(const demo *demo, const training_step *step) {
  for (int index = 0; demo->options.json && index < step->ends_count; index++) {
    const episode_end *end = &step->ends[index];
    printf("{\"type\":\"episode\",\"episode\":%" PRIu64
           ",\"return\":%g,\"length\":%u,\"terminated\":%s,"
           "\"truncated\":%s,\"extra\":{\"car\":%d}}\n",
           end->episode, end->episode_return, end->steps, end->reached_goal ? "true" : "false",
           end->reached_goal ? "false" : "true", end->car);
  }
}

/* How the learning goes, as a mean over some pictures' steps: not over time, so that equal seeds give equal lines. */
static void report_progress(demo *demo) {
  const window_sums *sums = &demo->unreported;
  if (!demo->options.json || sums->steps == 0 || demo->frames % FRAMES_PER_REPORT != 0) {
    return;
  }
  printf("{\"type\":\"scalars\",\"step\":%" PRIu64 ",\"train/reward\":%g,\"train/td_error\":%g}\n",
         demo->training.steps, sums->reward / (double)sums->steps, sums->absolute_error / (double)sums->steps);
  demo->unreported = (window_sums){0};
}

static int is_finished(const demo *demo) {
  const options *options = &demo->options;
  return stop_wanted || (options->frames_max != 0 && demo->frames >= options->frames_max) ||
         (options->episodes_max != 0 && demo->training.episodes_ended >= options->episodes_max);
}

static void train_for_a_frame(demo *demo) {
  for (int count = 0; count < demo->options.steps_per_frame && !is_finished(demo); count++) {
    training_step step;
    const uint64_t episode_before = demo->training.trainees[0].episode;
    training_advance(&demo->training, driver_action(&demo->driver), &step);
    const window_sums sums = {(uint64_t)demo->training.cars, step.reward, step.absolute_error};
    window_add(&demo->window, tele_clock_mono_ns(), sums);
    demo->unreported.steps += sums.steps;
    demo->unreported.reward += sums.reward;
    demo->unreported.absolute_error += sums.absolute_error;
    report_ends(demo, &step);
    if (demo->training.trainees[0].episode != episode_before) {
      scene_cut_trail(demo->scene);
    }
  }
}

static void publish_hud(demo *demo) {
  const uint64_t now_ns = tele_clock_mono_ns();
  const trainee *shown = &demo->training.trainees[0];
  double seconds;
  const window_sums last_second = window_total(&demo->window, now_ns, &seconds);
  const double steps = (double)last_second.steps;
  const tele_hud hud = {
      .last_reward = shown->last_reward,
      .avg_reward_1s = steps > 0 ? last_second.reward / steps : 0,
      .step_rate_hz = steps / seconds,
      .episode = shown->episode,
      .step = demo->training.steps,
      .episode_return = shown->episode_return,
      .loss = steps > 0 ? last_second.absolute_error / steps : (double)NAN,
  };
  tele_producer_set_hud(demo->producer, &hud);
  if (now_ns - demo->logged_ns >= LOG_INTERVAL_NS) {
    demo->logged_ns = now_ns;
    fprintf(stderr, "mountain_car: %" PRIu64 " steps, %" PRIu64 " episodes, %.0f steps/s\n", demo->training.steps,
            demo->training.episodes_ended, hud.step_rate_hz);
  }
}

/* Returns 0, or -1 with a message on stderr. */
static int publish_picture(demo *demo) {
  if (!tele_producer_wants_frame(demo->producer)) {
    return 0; /* the viewer's rate cap: the training goes on, nothing is drawn */
  }
  const training *training = &demo->training;
  scene_car cars[OPTIONS_CARS_MAX];
  for (int index = 0; index < training->cars; index++) {
    cars[index] = (scene_car){training->trainees[index].car.position, training->trainees[index].action};
  }
  uint8_t heat[LEARNER_ROWS * LEARNER_COLUMNS];
  learner_heat_map(&training->learner, heat);
  const double time_s =
      (double)demo->frames / (demo->options.frames_per_second > 0 ? demo->options.frames_per_second : 60);
  const tele_frame frame = {
      .pixels = scene_draw(demo->scene, cars, training->cars, time_s),
      .overlay = heat,
      .step = training->steps,
      .episode = training->trainees[0].episode,
      .reward = training->trainees[0].last_reward,
      .width = (uint32_t)demo->options.width,
      .height = (uint32_t)demo->options.height,
      .format = TELE_FORMAT_RGB8,
      .overlay_width = LEARNER_COLUMNS,
      .overlay_height = LEARNER_ROWS,
  };
  if (tele_producer_publish(demo->producer, &frame) < 0) {
    fprintf(stderr, "mountain_car: %s\n", tele_error_message());
    return -1;
  }
  return 0;
}

static void sleep_until(uint64_t due_ns) {
  const struct timespec due = {(time_t)(due_ns / SECOND_NS), (long)(due_ns % SECOND_NS)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL); /* a signal ends it early, which is wanted */
}

/* Returns the exit status. */
static int run(demo *demo) {
  const int paced = demo->options.frames_per_second > 0;
  const uint64_t period_ns = paced ? SECOND_NS / (uint64_t)demo->options.frames_per_second : 0;
  uint64_t due_ns = tele_clock_mono_ns();
  while (!is_finished(demo)) {
    if (tele_producer_gate(demo->producer, GATE_TIMEOUT_MS) != 1) {
      continue;
    }
    take_inputs(demo->producer, &demo->driver);
    train_for_a_frame(demo);
    publish_hud(demo);
    if (publish_picture(demo) < 0) {
      return 1;
    }
    demo->frames++;
    report_progress(demo);
    if (paced) {
      const uint64_t now_ns = tele_clock_mono_ns();
      /* After a pause or a stall the rhythm starts anew: missed pictures are not made up for. */
      due_ns = due_ns + period_ns < now_ns ? now_ns : due_ns + period_ns;
      sleep_until(due_ns);
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  static demo demo;
  const int status = options_parse(argc, argv, &demo.options);
  if (status >= 0) {
    return status;
  }
  const struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);

  const options *options = &demo.options;
  demo.scene = scene_create(options->width, options->height);
  if (demo.scene == NULL) {
    fprintf(stderr, "mountain_car: no memory for a picture of %d x %d\n", options->width, options->height);
    return 1;
  }
  const tele_producer_options ring = {
      /* The overlay starts at the next multiple of 64 after the picture. */
      .payload_bytes_max =
          (uint64_t)options->width * (uint64_t)options->height * 3 + 64 + LEARNER_ROWS * LEARNER_COLUMNS,
  };
  if (tele_producer_open(options->run_id, &ring, &demo.producer) < 0) {
    fprintf(stderr, "mountain_car: %s\n", tele_error_message());
    scene_destroy(demo.scene);
    return 1;
  }
  training_begin(&demo.training, options->cars, options->seed);
  fprintf(stderr, "mountain_car: run \"%s\", %d x %d, %d cars, seed %" PRIu64 "\n", options->run_id, options->width,
          options->height, options->cars, options->seed);
  demo.logged_ns = tele_clock_mono_ns();
  const int result = run(&demo);
  fprintf(stderr, "mountain_car: ended after %" PRIu64 " steps in %" PRIu64 " episodes, %" PRIu64 " pictures\n",
          demo.training.steps, demo.training.episodes_ended, tele_producer_frames(demo.producer));
  tele_producer_close(demo.producer);
  scene_destroy(demo.scene);
  return result;
}
