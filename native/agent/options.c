#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encoder.h"

static const char HELP[] =
    "Usage: telebridge agent [OPTION]...\n"
    "       telebridge agent --source exec [--run NAME] [--xvfb SIZE] -- COMMAND...\n"
    "       telebridge agent --source fifo PATH [--run NAME]\n"
    "       telebridge agent --source x11grab [OPTION]... [-- COMMAND...]\n"
    "\n"
    "Renders a scene without a screen, by EGL on a GPU or by Mesa on the CPU, encodes it as H.264, and publishes it "
    "as\n"
    "a run that `telebridge serve` shows. Every picture carries its number, as text and as a bar code, and the time, "
    "so\n"
    "that delay and loss can be measured. With --source it publishes what another program has encoded.\n"
    "\n"
    "The picture:\n"
    "  --width PIXELS        even, 64 to 4096 (1280)\n"
    "  --height PIXELS       even, 64 to 4096 (720)\n"
    "  --fps RATE            pictures per second, 1 to 240 (30)\n"
    "  --frames N            ends after so many pictures (0: no end)\n"
    "  --gpu INDEX           EGL device, as `telebridge doctor` counts them (the first that renders)\n"
    "\n"
    "The encoder:\n"
    "  --encoder KIND        auto, nvenc, x264 or openh264 (auto: the first that works, in this order)\n"
    "  --bitrate KBPS        kilobits per second, 50 to 200000 (by size and rate)\n"
    "  --gop SECONDS         between keyframes that nobody asked for, 0.1 to 600 (2)\n"
    "\n"
    "Where it goes, one of:\n"
    "  --run NAME            into shared memory as this run ($TELEBRIDGE_RUN, else agent-PID); the default\n"
    "  --stdout              to stdout, as H.264 in Annex-B; nothing else is ever written there\n"
    "  --fifo PATH           into this FIFO, which is made if need be: encodes only while somebody reads, begins with\n"
    "                        a keyframe, and drops pictures instead of waiting for a slow reader\n"
    "  --mpegts              to stdout, as MPEG-TS\n"
    "\n"
    "What somebody else encodes, published as H.264 in Annex-B or MPEG-TS, whichever it is:\n"
    "  --source KIND         exec: stdout of COMMAND; fifo: of whoever writes into PATH; x11grab, ffmpeg, gst, vaapi:\n"
    "                        a desktop, or what --pipeline or --input name; auto: by GStreamer, else by FFmpeg. "
    "COMMAND\n"
    "                        is then the program that is captured, if any\n"
    "  --xvfb SIZE           starts an Xvfb, of 1280x720 for example, for COMMAND and what captures it\n"
    "  --display DISPLAY     captures this X display ($DISPLAY)\n"
    "  --pipeline TEXT       captures this GStreamer source, as gst-launch-1.0 takes it\n"
    "  --input WORDS         captures this input of FFmpeg: \"-f v4l2 -i /dev/video0\"\n"
    "  --device PATH         VA-API's render node (the first in /dev/dri)\n"
    "  --beside COUNT        with exec: so many words behind -- are a program that runs beside COMMAND, which stands\n"
    "                        behind another --\n"
    "\n"
    "  --verbose             numbers on stderr every ten seconds\n"
    "  --help                this text\n"
    "\n"
    "Examples:\n"
    "  telebridge agent --run robot --width 640 --height 360\n"
    "  telebridge agent --stdout --frames 300 | ffprobe -hide_banner -\n"
    "  mkfifo robot.h264; telebridge agent --fifo robot.h264 & ffplay -f h264 robot.h264\n"
    "  telebridge agent --run desktop --source auto --xvfb 1280x720 -- xterm\n"
    "\n"
    "When the machine cannot keep up, pictures are skipped and counted, and those that come are on time. Ctrl-C ends "
    "it\n"
    "and removes its shared memory. Exit status: 0 after its end, also when whoever read stdout is gone; 1 with a "
    "reason\n"
    "on stderr when something failed; 2 for a mistake on this command line.\n";

static int mistake(const char *name, const char *given, const char *wanted) {
  fprintf(stderr, AGENT_NAME ": --%s is \"%s\", expected %s (--help tells more)\n", name, given, wanted);
  return 2;
}

static int misuse(const char *text) {
  fprintf(stderr, AGENT_NAME ": %s (--help tells more)\n", text);
  return 2;
}

/* What takes a number: where it goes, in thousandths where `scale` is 1000, and its limits as they are typed. */
typedef struct number {
  int option;
  uint32_t *into;
  double low, high;
  double scale;
  uint32_t step; /* of what is stored */
  const char *wanted;
} number;

static bool parse_number(const char *text, const number *number) {
  char *end;
  errno = 0;
  const double value = strtod(text, &end);
  if (errno != 0 || end == text || *end != '\0' || !(value >= number->low && value <= number->high)) return false;
  const double stored = value * number->scale;
  if (number->scale == 1 && stored != floor(stored)) return false;
  *number->into = (uint32_t)lround(stored);
  return *number->into % number->step == 0;
}

static bool parse_size(const char *text, uint32_t *width, uint32_t *height) {
  char behind;
  return sscanf(text, "%5ux%5u%c", width, height, &behind) == 2 && *width >= 16 && *width <= 8192 && *height >= 16 &&
         *height <= 8192;
}

static bool parse_count(const char *text, uint64_t *count) {
  char *end;
  errno = 0;
  *count = strtoull(text, &end, 10);
  return errno == 0 && end != text && *end == '\0' && strchr(text, '-') == NULL;
}

static bool parse_encoder(const char *text, tele_encoder_kind *kind) {
  static const char *const names[] = {"auto", "nvenc", "x264", "openh264"}; /* tele_encoder_kind's order */
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(text, names[i]) != 0) continue;
    *kind = (tele_encoder_kind)i;
    return true;
  }
  return false;
}

static int set_run(agent_options *options, const char *run_id) {
  char name[96];
  if (tele_segment_name(run_id, name, sizeof name) < 0) {
    return mistake("run", run_id, "up to 64 letters, digits, dots, dashes and underscores");
  }
  snprintf(options->run_id, sizeof options->run_id, "%s", run_id);
  return -1;
}

static int default_run(agent_options *options) {
  const char *run_id = getenv("TELEBRIDGE_RUN");
  if (run_id != NULL && run_id[0] != '\0') return set_run(options, run_id);
  snprintf(options->run_id, sizeof options->run_id, "agent-%ld", (long)getpid());
  return -1;
}

/* The words of a program that runs beside the source, and behind them a dash each side of the source's own. */
static int set_beside(agent_options *options, int words_count, char **words) {
  if (options->beside_words == 0) {
    options->source_command = words;
    return -1;
  }
  const uint32_t count = options->beside_words;
  if ((uint32_t)words_count < count + 2 || strcmp(words[count], "--") != 0)
    return misuse("--beside COUNT: so many words of a program, --, and the source's command");
  words[count] = NULL;
  options->beside_command = words;
  options->source_command = words + count + 1;
  return -1;
}

/* What stands behind the options belongs to the source. */
static int set_source(agent_options *options, int words_count, char **words) {
  if (options->source == NULL) {
    if (words_count == 0) return -1;
    fprintf(stderr, AGENT_NAME ": unexpected \"%s\" (--help lists the options)\n", words[0]);
    return 2;
  }
  if (options->output != AGENT_RING) return misuse("--source publishes into shared memory, and nowhere else");
  if (options->picture_option != NULL) {
    fprintf(stderr, AGENT_NAME ": --%s is for the agent's own picture: what a source writes is published as it is\n",
            options->picture_option);
    return 2;
  }
  if (strcmp(options->source, "exec") == 0) {
    if (words_count == 0) return misuse("--source exec needs a command: --source exec -- COMMAND...");
    return set_beside(options, words_count, words);
  }
  if (words_count != 1) return misuse("--source fifo needs one path: --source fifo PATH");
  options->source_path = words[0];
  return -1;
}

enum { OPTION_ENCODER = 256, OPTION_FIFO, OPTION_FRAMES, OPTION_HELP, OPTION_MPEGTS, OPTION_RUN, OPTION_SOURCE };
enum { OPTION_STDOUT = 512, OPTION_VERBOSE, OPTION_WIDTH, OPTION_HEIGHT, OPTION_FPS, OPTION_BITRATE, OPTION_GOP };
enum { OPTION_GPU = 768, OPTION_BESIDE, OPTION_XVFB };

static const struct option names[] = {
    {"beside", required_argument, NULL, OPTION_BESIDE},   {"bitrate", required_argument, NULL, OPTION_BITRATE},
    {"encoder", required_argument, NULL, OPTION_ENCODER}, {"fifo", required_argument, NULL, OPTION_FIFO},
    {"fps", required_argument, NULL, OPTION_FPS},         {"frames", required_argument, NULL, OPTION_FRAMES},
    {"gop", required_argument, NULL, OPTION_GOP},         {"gpu", required_argument, NULL, OPTION_GPU},
    {"height", required_argument, NULL, OPTION_HEIGHT},   {"help", no_argument, NULL, OPTION_HELP},
    {"mpegts", no_argument, NULL, OPTION_MPEGTS},         {"run", required_argument, NULL, OPTION_RUN},
    {"source", required_argument, NULL, OPTION_SOURCE},   {"stdout", no_argument, NULL, OPTION_STDOUT},
    {"verbose", no_argument, NULL, OPTION_VERBOSE},       {"width", required_argument, NULL, OPTION_WIDTH},
    {"xvfb", required_argument, NULL, OPTION_XVFB},       {NULL, 0, NULL, 0},
};

static int set_number(agent_options *options, int option, const char *name, const char *text, uint32_t *gpu) {
  const number numbers[] = {
      {OPTION_WIDTH, &options->width, 64, 4096, 1, 2, "an even number of pixels from 64 to 4096"},
      {OPTION_HEIGHT, &options->height, 64, 4096, 1, 2, "an even number of pixels from 64 to 4096"},
      {OPTION_FPS, &options->fps_mhz, 1, 240, 1000, 1, "a rate from 1 to 240"},
      {OPTION_BITRATE, &options->bitrate_kbps, 50, 200000, 1, 1, "a whole number of kbit/s from 50 to 200000"},
      {OPTION_GOP, &options->gop_ms, 0.1, 600, 1000, 1, "seconds from 0.1 to 600"},
      {OPTION_BESIDE, &options->beside_words, 1, 4096, 1, 1, "a number of words"},
      {OPTION_GPU, gpu, 0, 255, 1, 1, "a device's index, from 0"},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    if (numbers[i].option == option)
      return parse_number(text, &numbers[i]) ? -1 : mistake(name, text, numbers[i].wanted);
  }
  return misuse("unknown option");
}

static int set_output(agent_options *options, agent_output output, const char *fifo_path) {
  if (options->output != AGENT_RING) return misuse("only one of --stdout, --fifo and --mpegts");
  if (output != AGENT_FIFO && isatty(STDOUT_FILENO)) {
    return misuse("stdout is a terminal, and video is nothing to read: pipe it into something, or into a file");
  }
  options->output = output;
  options->fifo_path = fifo_path;
  return -1;
}

static bool makes_picture(int option) {
  return option == OPTION_ENCODER || option == OPTION_GPU || (option >= OPTION_WIDTH && option <= OPTION_GOP);
}

static int set_option(agent_options *options, int option, const char *name, const char *text, uint32_t *gpu) {
  if (makes_picture(option)) options->picture_option = name;
  switch (option) {
    case OPTION_ENCODER:
      return parse_encoder(text, &options->encoder) ? -1 : mistake(name, text, "auto, nvenc, x264 or openh264");
    case OPTION_FIFO: return set_output(options, AGENT_FIFO, text);
    case OPTION_FRAMES:
      return parse_count(text, &options->frames_max) ? -1 : mistake(name, text, "a whole number from 0");
    case OPTION_HELP: fputs(HELP, stdout); return 0;
    case OPTION_MPEGTS: return set_output(options, AGENT_MPEGTS, NULL);
    case OPTION_RUN: return set_run(options, text);
    case OPTION_SOURCE:
      options->source = text;
      return strcmp(text, "exec") == 0 || strcmp(text, "fifo") == 0 ? -1 : mistake(name, text, "exec or fifo");
    case OPTION_STDOUT: return set_output(options, AGENT_STDOUT, NULL);
    case OPTION_VERBOSE: options->verbose = true; return -1;
    case OPTION_XVFB:
      return parse_size(text, &options->xvfb_width, &options->xvfb_height) ? -1
                                                                           : mistake(name, text, "such as 1280x720");
    case '?': fputs(AGENT_NAME ": --help lists the options\n", stderr); return 2;
    default: return set_number(options, option, name, text, gpu);
  }
}

int agent_options_parse(int argc, char **argv, agent_options *options) {
  *options = (agent_options){.width = 1280, .height = 720, .fps_mhz = 30000, .gop_ms = 2000};
  uint32_t gpu = UINT32_MAX;
  int status = -1, option, index = 0;
  static char program[] = AGENT_NAME;
  if (argc > 0) argv[0] = program; /* as getopt's own messages name it */
  optind = 0;                      /* getopt begins anew: this may be called again */
  while (status < 0 && (option = getopt_long(argc, argv, "", names, &index)) != -1) {
    status = set_option(options, option, names[index].name, optarg, &gpu);
  }
  if (status < 0) status = set_source(options, argc - optind, argv + optind);
  if (status < 0 && options->run_id[0] == '\0') status = default_run(options);
  options->gpu = gpu == UINT32_MAX ? -1 : (int)gpu;
  if (options->bitrate_kbps == 0) {
    options->bitrate_kbps = encoder_default_kbps(options->width, options->height, options->fps_mhz);
  }
  return status;
}
