#include "xvfb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "stop.h"
#include "telebridge.h"

#define START_NS (15 * NS_PER_S)
#define COOKIE_BYTES 16u

/* One entry for every display (Xau's FamilyWild): lengths are of 16 bits, the larger half first. */
static int write_authority(const char *run_id, char *path, size_t path_bytes) {
  static const char method[] = "MIT-MAGIC-COOKIE-1";
  char directory[96];
  int result = tele_runtime_dir(directory, sizeof directory);
  if (result < 0) return result;
  snprintf(path, path_bytes, "%s/%.64s.xauth", directory, run_id);
  uint8_t entry[8 + sizeof method - 1 + 2 + COOKIE_BYTES] = {0xFF, 0xFF, 0, 0, 0, 0, 0, sizeof method - 1};
  memcpy(entry + 8, method, sizeof method - 1);
  entry[8 + sizeof method] = COOKIE_BYTES;
  if (getrandom(entry + sizeof entry - COOKIE_BYTES, COOKIE_BYTES, 0) != COOKIE_BYTES)
    return error_set(EIO, "cannot make a key for Xvfb: no random numbers");
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool done = fd >= 0 && write(fd, entry, sizeof entry) == (ssize_t)sizeof entry;
  result = done ? 0 : error_set(errno, "cannot write %s: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  return result;
}

/* It writes the number of its display, and a newline, once it answers there. */
static int read_display(int fd, int stop_fd, char *number, size_t number_bytes) {
  const uint64_t until_ns = clock_mono_ns() + START_NS;
  for (size_t length = 0; length + 1 < number_bytes;) {
    const stop_wait_end end = stop_wait(stop_fd, fd, POLLIN, until_ns);
    if (end == STOP_WAIT_STOP) return -ECANCELED;
    if (end == STOP_WAIT_DUE) return error_set(ETIMEDOUT, "Xvfb has not answered for 15 s");
    const ssize_t got = read(fd, number + length, number_bytes - length - 1);
    if (got <= 0) return error_set(EPROTO, "Xvfb has ended before its display was there; above is why");
    length += (size_t)got;
    number[length] = '\0';
    char *newline = strchr(number, '\n');
    if (newline == NULL) continue;
    *newline = '\0';
    return 0;
  }
  return error_set(EPROTO, "Xvfb told a display \"%s\"", number);
}

int xvfb_start(const char *run_id, uint32_t width, uint32_t height, int stop_fd, xvfb *xvfb) {
  *xvfb = (struct xvfb){.authority_path = ""};
  int fds[2], result = write_authority(run_id, xvfb->authority_path, sizeof xvfb->authority_path);
  if (result < 0) return result;
  if (pipe2(fds, O_CLOEXEC) < 0) return error_set(errno, "cannot start Xvfb: %s", strerror(errno));
  char screen[32], number[16] = "", display[20];
  snprintf(screen, sizeof screen, "%ux%ux24", width, height);
  char *command[] = {"Xvfb",      "-displayfd", "1",        "-screen", "0", screen, "-auth", xvfb->authority_path,
                     "-nolisten", "tcp",        "-noreset", "-s",      "0", NULL};
  result = child_start(command, fds[1], &xvfb->child);
  close(fds[1]);
  if (result == -ENOENT) error_set(ENOENT, "cannot start Xvfb: it is not installed (Debian: apt install xvfb)");
  if (result == 0) result = read_display(fds[0], stop_fd, number, sizeof number);
  close(fds[0]);
  if (result < 0) return result;
  snprintf(display, sizeof display, ":%s", number);
  setenv("DISPLAY", display, 1);
  setenv("XAUTHORITY", xvfb->authority_path, 1);
  return 0;
}

void xvfb_remove(const xvfb *xvfb) {
  if (xvfb->authority_path[0] != '\0') unlink(xvfb->authority_path);
}
