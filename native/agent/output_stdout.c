/* To stdout, as Annex-B or MPEG-TS: every access unit at once, and a wait for whoever reads slowly; the pacer skips
 * what was due meanwhile. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "output.h"
#include "stop.h"

typedef struct stdout_output {
  output base;
  int stop_fd;
  tele_ts_mux *mux; /* NULL: Annex-B */
  uint8_t *ts;
  uint64_t ts_bytes_max;
} stdout_output;

static int turn(output *output) { return output_reader_is_gone(output) ? -EPIPE : OUTPUT_DRAW; }

static void wishes(output *output, output_wishes *wishes) {
  (void)output;
  *wishes = (output_wishes){.keyframe = false};
}

/* In pieces that a pipe with any room takes whole: a longer one could wait in write(), where no signal is seen. */
static int write_bytes(const stdout_output *output, const uint8_t *bytes, size_t bytes_count) {
  for (size_t written = 0; written < bytes_count;) {
    if (stop_wait(output->stop_fd, output->base.fd, POLLOUT, UINT64_MAX) == STOP_WAIT_STOP) return -ECANCELED;
    const size_t left = bytes_count - written;
    const ssize_t taken = write(output->base.fd, bytes + written, left < PIPE_BUF ? left : PIPE_BUF);
    if (taken >= 0) {
      written += (size_t)taken;
    } else if (errno != EAGAIN && errno != EINTR) {
      return error_set(errno, "cannot write to stdout: %s", strerror(errno));
    }
  }
  return 0;
}

static int write_annexb(output *base, const access_unit *unit, const scene_state *state) {
  (void)state;
  return write_bytes((const stdout_output *)base, unit->bytes, unit->bytes_count);
}

static int write_ts(output *base, const access_unit *unit, const scene_state *state) {
  stdout_output *output = (stdout_output *)base;
  const uint64_t room = TELE_TS_BYTES_MAX(unit->bytes_count);
  if (room > output->ts_bytes_max) {
    free(output->ts);
    output->ts = malloc(room * 2);
    output->ts_bytes_max = output->ts != NULL ? room * 2 : 0;
    if (output->ts == NULL) return error_set(ENOMEM, "cannot write to stdout: no memory");
  }
  uint64_t ts_bytes;
  const int result =
      tele_ts_mux_pack(output->mux, unit->bytes, unit->bytes_count, unit->keyframe ? TELE_FRAME_KEYFRAME : 0,
                       state->t_mono_ns, output->ts, output->ts_bytes_max, &ts_bytes);
  return result < 0 ? result : write_bytes(output, output->ts, ts_bytes);
}

static void close_output(output *base) {
  stdout_output *output = (stdout_output *)base;
  tele_ts_mux_close(output->mux);
  free(output->ts);
  free(output);
}

int output_stdout_open(const agent_options *options, int stdout_fd, int stop_fd, output **made) {
  static const output_kind annexb = {.turn = turn, .wishes = wishes, .write = write_annexb, .close = close_output};
  static const output_kind ts = {.turn = turn, .wishes = wishes, .write = write_ts, .close = close_output};
  if (stdout_fd < 0) return error_set(EBADF, "cannot write to stdout: it is closed");
  stdout_output *output = calloc(1, sizeof *output);
  if (output == NULL) return error_set(ENOMEM, "cannot write to stdout: no memory");
  const bool as_ts = options->output == AGENT_MPEGTS;
  output->base = (struct output){.kind = as_ts ? &ts : &annexb, .fd = stdout_fd};
  snprintf(output->base.name, sizeof output->base.name, "%s to stdout", as_ts ? "MPEG-TS" : "H.264");
  output->stop_fd = stop_fd;
  const int result = as_ts ? tele_ts_mux_open(&output->mux) : 0;
  if (result < 0) {
    close_output(&output->base);
    return result;
  }
  *made = &output->base;
  return 0;
}
