/* options.h: the demo's command line. */
#ifndef DEMO_OPTIONS_H
#define DEMO_OPTIONS_H

#include <stdint.h>

#define OPTIONS_CARS_MAX 64

typedef struct options {
  const char *run_id;
  int width, height;     /* pixels */
  int frames_per_second; /* 0 = as fast as it goes */
  int steps_per_frame;   /* of each car */
  int cars;
  uint64_t seed;
  uint64_t frames_max;   /* 0 = no end */
  uint64_t episodes_max; /* 0 = no end */
  int json;
} options;

/* Returns -1 when the program should go on, else its exit status: 0 after --help, 2 after a mistake. */
int options_parse(int argc, char **argv, options *options);

#endif
