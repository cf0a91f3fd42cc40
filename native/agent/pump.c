#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "error.h"
#include "pump_ring.h"
#include "source_stream.h"
#include "stop.h"
#include "xvfb.h"

#define READ_BYTES 65536u
/* So much a writer may be ahead: a unit that fits is written at once, and is whole when it is seen. */
#define PIPE_BYTES (1 << 20)
/* How soon the end of a program beside the source is noticed. */
#define LOOK_EVERY_NS (100 * NS_PER_MS)
#define SILENCE_NS (10 * NS_PER_S)
/* Between the end of a command's output and its own. */
#define LINGER_MS 2000u
/* For a command that is asked to end: closing its output sooner would make it complain. */
#define LINGER_SHORT_MS 200u

enum { SOURCE, BESIDE, DISPLAY, PROGRAMS };

typedef struct pump {
  const agent_options *options;
  const char *name; /* of the source, for messages */
  int stop_fd, fd;
  child source, beside;
  xvfb xvfb;
  child *programs[PROGRAMS];
  pump_ring ring;
  source_stream *stream;
  uint64_t bytes_read;
  uint64_t heard_ns; /* when a picture, or a complaint that there is none, came last */
} pump;

static int publish(void *context, const tele_access_unit *unit, uint64_t began_ns) {
  pump *pump = context;
  pump->heard_ns = clock_mono_ns();
  const int result = pump_ring_publish(&pump->ring, unit, began_ns);
  const uint64_t frames_max = pump->options->frames_max;
  if (result == 0 && frames_max > 0 && pump->ring.frames == frames_max) return -ECANCELED;
  return result;
}

/* ---- Beginning ----------------------------------------------------------------------------------- */

static int open_command(pump *pump) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) return error_set(errno, "cannot make a pipe: %s", strerror(errno));
  fcntl(fds[0], F_SETPIPE_SZ, PIPE_BYTES); /* a smaller one does too */
  const int result = child_start(pump->options->source_command, fds[1], &pump->source);
  close(fds[1]);
  pump->fd = fds[0];
  pump->name = pump->source.name;
  return result;
}

/* Open for writing too, it never ends: one writer may follow another. */
static int open_fifo(pump *pump) {
  const char *path = pump->options->source_path;
  if (mkfifo(path, 0600) < 0 && errno != EEXIST)
    return error_set(errno, "cannot make the FIFO %s: %s", path, strerror(errno));
  pump->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (pump->fd < 0) return error_set(errno, "cannot open %s: %s", path, strerror(errno));
  struct stat status;
  if (fstat(pump->fd, &status) < 0 || !S_ISFIFO(status.st_mode))
    return error_set(EINVAL, "%s is no FIFO: remove it, or name another path", path);
  fcntl(pump->fd, F_SETPIPE_SZ, PIPE_BYTES);
  pump->name = path;
  return 0;
}

static int start(pump *pump) {
  const agent_options *options = pump->options;
  pump->stop_fd = stop_open();
  if (pump->stop_fd < 0) return pump->stop_fd;
  int result = 0;
  if (options->xvfb_width > 0)
    result = xvfb_start(options->run_id, options->xvfb_width, options->xvfb_height, pump->stop_fd, &pump->xvfb);
  if (result == 0 && options->beside_command != NULL) result = child_start(options->beside_command, -1, &pump->beside);
  if (result == 0) result = options->source_path != NULL ? open_fifo(pump) : open_command(pump);
  if (result == 0) result = source_stream_open(pump->name, PUMP_UNIT_BYTES_MAX, publish, pump, &pump->stream);
  return result;
}

/* ---- Reading ------------------------------------------------------------------------------------- */

/* When the next thing is to be done that nobody wakes us for. */
static uint64_t next_look_ns(const pump *pump, uint64_t read_ns) {
  const uint64_t quiet_ns = source_stream_quiet_ns(pump->stream);
  uint64_t due_ns = pump->heard_ns + SILENCE_NS;
  if (quiet_ns != UINT64_MAX && read_ns + quiet_ns < due_ns) due_ns = read_ns + quiet_ns;
  const bool has_company = pump->beside.pid != 0 || pump->xvfb.child.pid != 0;
  const uint64_t look_ns = clock_mono_ns() + LOOK_EVERY_NS;
  return has_company && look_ns < due_ns ? look_ns : due_ns;
}

/* Not the end: a program may take its time, and a supervisor has its own idea of how long. */
static void complain_of_silence(pump *pump, uint64_t now_ns) {
  if (now_ns < pump->heard_ns + SILENCE_NS) return;
  pump->heard_ns = now_ns;
  fprintf(stderr, AGENT_NAME ": no picture from %s for 10 s; it has written %llu bytes in all\n", pump->name,
          (unsigned long long)pump->bytes_read);
}

/* 1: it has ended. */
static int read_some(pump *pump, uint64_t *read_ns) {
  static uint8_t bytes[READ_BYTES];
  const ssize_t got = read(pump->fd, bytes, sizeof bytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got < 0) return error_set(errno, "cannot read from %s: %s", pump->name, strerror(errno));
  if (got == 0) return 1;
  *read_ns = clock_mono_ns();
  pump->bytes_read += (uint64_t)got;
  return source_stream_push(pump->stream, bytes, (size_t)got, *read_ns);
}

/* One of those that the source needs has ended: so does the pump. */
static bool company_has_left(pump *pump) {
  const bool display_left = pump->xvfb.child.name[0] != '\0' && child_has_ended(&pump->xvfb.child);
  return display_left || (pump->beside.name[0] != '\0' && child_has_ended(&pump->beside));
}

/* 0: the source has ended, or its company; -ECANCELED: a signal came, or there are frames enough. */
static int pump_until_end(pump *pump) {
  uint64_t read_ns = 0;
  pump->heard_ns = clock_mono_ns();
  for (;;) {
    const stop_wait_end end = stop_wait(pump->stop_fd, pump->fd, POLLIN, next_look_ns(pump, read_ns));
    if (end == STOP_WAIT_STOP) return -ECANCELED;
    const uint64_t now_ns = clock_mono_ns(), quiet_ns = source_stream_quiet_ns(pump->stream);
    int result = 0;
    if (end == STOP_WAIT_READY) {
      result = read_some(pump, &read_ns);
      if (result == 1) return source_stream_end(pump->stream);
    } else if (quiet_ns != UINT64_MAX && now_ns >= read_ns + quiet_ns) {
      result = source_stream_quiet(pump->stream);
    }
    if (result < 0) return result;
    complain_of_silence(pump, now_ns);
    if (company_has_left(pump)) return 0;
  }
}

/* ---- The end ------------------------------------------------------------------------------------- */

/* Of whom the end is: the display's and the program's come before the source's, which ends of them. */
static const child *who_ended(pump *pump) {
  if (!company_has_left(pump)) children_wait(pump->programs, 1, LINGER_MS);
  for (int i = DISPLAY; i >= SOURCE; i--) {
    if (pump->programs[i]->name[0] != '\0' && child_has_ended(pump->programs[i])) return pump->programs[i];
  }
  return NULL;
}

static int end_status(pump *pump, int result) {
  if (result == -ECANCELED) return 0;
  if (result < 0) {
    fprintf(stderr, AGENT_NAME ": %s\n", tele_error_message());
    return 1;
  }
  const child *child = who_ended(pump);
  if (child == NULL) {
    fprintf(stderr, AGENT_NAME ": %s has closed its output and goes on: it is ended\n", pump->name);
    return 1;
  }
  char text[96];
  child_describe_end(child, text, sizeof text);
  const int code = child_exit_code(child);
  if (code != 0 || pump->ring.frames == 0)
    fprintf(stderr, AGENT_NAME ": %s %s%s\n", child->name, text, pump->ring.frames == 0 ? ", without a picture" : "");
  return code == 0 && pump->ring.frames == 0 ? 1 : code;
}

int pump_run(const agent_options *options) {
  pump pump = {.options = options, .fd = -1, .ring = {.run_id = options->run_id}};
  pump.programs[SOURCE] = &pump.source;
  pump.programs[BESIDE] = &pump.beside;
  pump.programs[DISPLAY] = &pump.xvfb.child;
  int result = start(&pump);
  if (result == 0) result = pump_until_end(&pump);
  const int status = end_status(&pump, result);
  pump_ring_close(&pump.ring);
  source_stream_close(pump.stream);
  children_ask(pump.programs, DISPLAY);
  children_wait(pump.programs, DISPLAY, LINGER_SHORT_MS);
  if (pump.fd >= 0) close(pump.fd); /* whoever waits for room in it goes on */
  children_end(pump.programs, DISPLAY);
  children_ask(pump.programs + DISPLAY, 1); /* after those that draw on it, and would complain */
  children_end(pump.programs + DISPLAY, 1);
  xvfb_remove(&pump.xvfb);
  if (pump.stop_fd >= 0) close(pump.stop_fd);
  return status;
}
