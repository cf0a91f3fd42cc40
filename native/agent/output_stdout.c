/* To stdout: every access unit at once, and a wait for whoever reads slowly; the pacer skips what was due meanwhile. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "output.h"
#include "stop.h"

typedef struct stdout_output {
  output base;
  int stop_fd;
} stdout_output;

static int turn(output *output) { return output_reader_is_gone(output) ? -EPIPE : OUTPUT_DRAW; }

static void wishes(output *output, output_wishes *wishes) {
  (void)output;
  *wishes = (output_wishes){.keyframe = false};
}

/* In pieces that a pipe with any room takes whole: a longer one could wait in write(), where no signal is seen. */
static int write_unit(output *base, const access_unit *unit, const scene_state *state) {
  (void)state;
  const stdout_output *output = (const stdout_output *)base;
  for (size_t written = 0; written < unit->bytes_count;) {
    if (stop_wait(output->stop_fd, base->fd, POLLOUT, UINT64_MAX) == STOP_WAIT_STOP) return -ECANCELED;
    const size_t left = unit->bytes_count - written;
    const ssize_t bytes = write(base->fd, unit->bytes + written, left < PIPE_BUF ? left : PIPE_BUF);
    if (bytes >= 0) {
      written += (size_t)bytes;
    } else if (errno != EAGAIN && errno != EINTR) {
      return error_set(errno, "cannot write to stdout: %s", strerror(errno));
    }
  }
  return 0;
}

static void close_output(output *output) { free(output); }

int output_stdout_open(int stdout_fd, int stop_fd, output **made) {
  static const output_kind kind = {.turn = turn, .wishes = wishes, .write = write_unit, .close = close_output};
  stdout_output *output = calloc(1, sizeof *output);
  if (output == NULL) return error_set(ENOMEM, "cannot write to stdout: no memory");
  output->base = (struct output){.kind = &kind, .fd = stdout_fd, .name = "stdout"};
  output->stop_fd = stop_fd;
  *made = &output->base;
  return 0;
}
