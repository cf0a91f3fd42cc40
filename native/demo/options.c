#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char HELP[] =
    "Usage: mountain_car [OPTION]...\n"
    "\n"
    "A reinforcement-learning run to look at: cars too weak for their hill learn to swing up to the flag, by\n"
    "tabular Q-learning. All cars learn into one value table; the red one is shown in full, and its numbers\n"
    "are the run's. Open the run in telebridge's page, turn control on, and drive with the arrow keys.\n"
    "\n"
    "  --run-id ID           name of the run (mountain-car)\n"
    "  --width PIXELS        of the picture, 64 to 4096 (640)\n"
    "  --height PIXELS       of the picture, 64 to 4096 (360)\n"
    "  --fps RATE            pictures per second, 1 to 1000 (60)\n"
    "  --steps-per-frame N   steps that each car takes per picture, 1 to 1000 (2)\n"
    "  --cars N              cars that learn together, 1 to 64 (24)\n"
    "  --speed paced|max     max: as fast as it goes, without pacing (paced)\n"
    "  --seed N              of everything random; equal seeds give equal runs (1)\n"
    "  --episodes N          ends after so many episodes (0: no end)\n"
    "  --frames N            ends after so many pictures (0: no end)\n"
    "  --json                lines of JSON on stdout, for `telebridge run`: episodes as they end, and how\n"
    "                        the learning goes\n"
    "  --help                this text\n"
    "\n"
    "Ctrl-C ends the run and removes its shared memory. Logs go to stderr.\n";

static int mistake(const char *name, const char *given, const char *wanted) {
  fprintf(stderr, "mountain_car: --%s is \"%s\", expected %s (--help tells more)\n", name, given, wanted);
  return 2;
}

/* A whole number between two limits, or -1. */
static long long parse_whole(const char *text, long long low, long long high) {
  char *end;
  errno = 0;
  const long long value = strtoll(text, &end, 10);
  return errno != 0 || end == text || *end != '\0' || value < low || value > high ? -1 : value;
}

int options_parse(int argc, char **argv, options *options) {
  static const struct option names[] = {
      {"run-id", required_argument, NULL, 'r'},
      {"width", required_argument, NULL, 'w'},
      {"height", required_argument, NULL, 'h'},
      {"fps", required_argument, NULL, 'f'},
      {"cars", required_argument, NULL, 'c'},
      {"steps-per-frame", required_argument, NULL, 'p'},
      {"speed", required_argument, NULL, 'x'},
      {"seed", required_argument, NULL, 's'},
      {"episodes", required_argument, NULL, 'e'},
      {"frames", required_argument, NULL, 'n'},
      {"json", no_argument, NULL, 'j'},
      {"help", no_argument, NULL, '?' + 256},
      {NULL, 0, NULL, 0},
  };
  static const struct {
    int option;
    long long low, high;
    const char *wanted;
  } ranges[] = {
      {'w', 64, 4096, "pixels from 64 to 4096"},    {'h', 64, 4096, "pixels from 64 to 4096"},
      {'f', 1, 1000, "a rate from 1 to 1000"},      {'c', 1, OPTIONS_CARS_MAX, "a number from 1 to 64"},
      {'p', 1, 1000, "a number from 1 to 1000"},    {'s', 0, INT64_MAX, "a whole number from 0"},
      {'e', 0, INT64_MAX, "a whole number from 0"}, {'n', 0, INT64_MAX, "a whole number from 0"},
  };
  *options = (struct options){.run_id = "mountain-car",
                              .width = 640,
                              .height = 360,
                              .frames_per_second = 60,
                              .steps_per_frame = 2,
                              .cars = 24,
                              .seed = 1};
  int paced = 1;
  int option, index = 0;
  while ((option = getopt_long(argc, argv, "", names, &index)) != -1) {
    long long value = 0;
    for (size_t range = 0; range < sizeof ranges / sizeof *ranges; range++) {
      if (ranges[range].option == option) {
        value = parse_whole(optarg, ranges[range].low, ranges[range].high);
        if (value < 0) {
          return mistake(names[index].name, optarg, ranges[range].wanted);
        }
      }
    }
    switch (option) {
      case 'r': options->run_id = optarg; break;
      case 'w': options->width = (int)value; break;
      case 'h': options->height = (int)value; break;
      case 'f': options->frames_per_second = (int)value; break;
      case 'c': options->cars = (int)value; break;
      case 'p': options->steps_per_frame = (int)value; break;
      case 's': options->seed = (uint64_t)value; break;
      case 'e': options->episodes_max = (uint64_t)value; break;
      case 'n': options->frames_max = (uint64_t)value; break;
      case 'j': options->json = 1; break;
      case 'x':
        if (strcmp(optarg, "paced") != 0 && strcmp(optarg, "max") != 0) {
          return mistake("speed", optarg, "paced or max");
        }
        paced = strcmp(optarg, "paced") == 0;
        break;
      case '?' + 256: fputs(HELP, stdout); return 0;
      default: fputs("mountain_car: --help lists the options\n", stderr); return 2;
    }
  }
  if (optind < argc) {
    fprintf(stderr, "mountain_car: unexpected \"%s\" (--help lists the options)\n", argv[optind]);
    return 2;
  }
  if (!paced) {
    options->frames_per_second = 0;
  }
  return -1;
}
