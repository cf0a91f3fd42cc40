/*
 * Into a FIFO, for as long as somebody reads there. Every reader's first bytes are parameter sets and an IDR: the last
 * reader's unread ones are gone, since a pipe that both ends have closed is empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "output.h"

/* For a reader to take what is left of the last access unit. */
#define END_NS (500 * NS_PER_MS)

typedef struct fifo_output {
  output base;
  const char *path;
  bool verbose;
  bool begun; /* this reader has its keyframe */
  /* What of the last access unit is still to be written. Limit: that one. Policy: while there is any, no picture is
   * drawn. Counter: OUTPUT_DROP, which the loop counts. */
  uint8_t *rest;
  size_t rest_at, rest_bytes, rest_max;
} fifo_output;

static int refuse(const fifo_output *output, const char *doing) {
  return error_set(errno, "cannot %s FIFO %s: %s", doing, output->path, strerror(errno));
}

static int check_fifo(const fifo_output *output, const struct stat *found) {
  if (S_ISFIFO(found->st_mode)) return 0;
  return error_set(EEXIST, "%s is there and is no FIFO: name another path, or remove it", output->path);
}

static int make_fifo(const fifo_output *output) {
  struct stat found;
  if (mkfifo(output->path, 0666) < 0 && errno != EEXIST) return refuse(output, "make");
  if (stat(output->path, &found) < 0) return refuse(output, "look at");
  return check_fifo(output, &found);
}

/* 0 also without a reader. */
static int look_for_reader(fifo_output *output) {
  output->base.fd = open(output->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (output->base.fd < 0 && errno == ENXIO) return 0;
  if (output->base.fd < 0 && errno == ENOENT) return make_fifo(output); /* somebody has tidied up */
  if (output->base.fd < 0) return refuse(output, "open");
  struct stat found; /* somebody may have put a file there, which would grow for ever */
  if (fstat(output->base.fd, &found) < 0) return refuse(output, "look at");
  const int result = check_fifo(output, &found);
  if (result < 0) return result;
  output->begun = false;
  output->rest_bytes = 0;
  if (output->verbose) fprintf(stderr, AGENT_NAME ": %s has a reader\n", output->path);
  return 0;
}

static void lose_reader(fifo_output *output) {
  close(output->base.fd);
  output->base.fd = -1;
  if (output->verbose) fprintf(stderr, AGENT_NAME ": %s has no reader any more\n", output->path);
}

/* As much as fits now. */
static int write_rest(fifo_output *output) {
  while (output->rest_bytes > 0) {
    const ssize_t bytes = write(output->base.fd, output->rest + output->rest_at, output->rest_bytes);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0 && errno == EAGAIN) return 0;
    if (bytes < 0 && errno == EPIPE) {
      lose_reader(output);
      return 0;
    }
    if (bytes < 0) return refuse(output, "write into");
    output->rest_at += (size_t)bytes;
    output->rest_bytes -= (size_t)bytes;
  }
  return 0;
}

static int turn(output *base) {
  fifo_output *output = (fifo_output *)base;
  if (base->fd >= 0 && output_reader_is_gone(base)) lose_reader(output);
  int result = base->fd < 0 ? look_for_reader(output) : write_rest(output);
  if (result < 0) return result;
  return base->fd < 0 ? OUTPUT_IDLE : output->rest_bytes > 0 ? OUTPUT_DROP : OUTPUT_DRAW;
}

static void wishes(output *base, output_wishes *wishes) {
  *wishes = (output_wishes){.keyframe = !((fifo_output *)base)->begun};
}

static int write_unit(output *base, const access_unit *unit, const scene_state *state) {
  (void)state;
  fifo_output *output = (fifo_output *)base;
  if (base->fd < 0) return 0;
  if (output->rest_bytes > 0) { /* drawn before the last one turned out not to fit */
    output->begun = false;
    return 1;
  }
  if (!output->begun && !unit->keyframe) return 0; /* drawn for the reader before */
  if (unit->bytes_count > output->rest_max) {
    free(output->rest);
    output->rest_max = 0;
    output->rest = malloc(unit->bytes_count * 2);
    if (output->rest == NULL) return error_set(ENOMEM, "cannot write into FIFO %s: no memory", output->path);
    output->rest_max = unit->bytes_count * 2;
  }
  memcpy(output->rest, unit->bytes, unit->bytes_count);
  output->rest_at = 0;
  output->rest_bytes = unit->bytes_count;
  output->begun = true;
  return write_rest(output);
}

/* --frames, or a signal: the last picture is whole, too, where its reader goes on reading. */
static void end_rest(fifo_output *output) {
  const uint64_t until_ns = clock_mono_ns() + END_NS;
  while (output->base.fd >= 0 && output->rest_bytes > 0 &&
         stop_wait(-1, output->base.fd, POLLOUT, until_ns) == STOP_WAIT_READY && write_rest(output) == 0)
    continue;
}

static void close_output(output *base) {
  fifo_output *output = (fifo_output *)base;
  end_rest(output);
  if (base->fd >= 0) close(base->fd);
  free(output->rest);
  free(output); /* the FIFO stays: whoever waits in open() gets the next agent */
}

int output_fifo_open(const agent_options *options, output **made) {
  static const output_kind kind = {.turn = turn, .wishes = wishes, .write = write_unit, .close = close_output};
  fifo_output *output = calloc(1, sizeof *output);
  if (output == NULL) return error_set(ENOMEM, "cannot open FIFO %s: no memory", options->fifo_path);
  output->base = (struct output){.kind = &kind, .fd = -1};
  output->path = options->fifo_path;
  output->verbose = options->verbose;
  snprintf(output->base.name, sizeof output->base.name, "FIFO %s", output->path);
  const int result = make_fifo(output);
  if (result < 0) {
    free(output);
    return result;
  }
  *made = &output->base;
  return 0;
}
