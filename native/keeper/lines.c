#include "lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

#define READ_BYTES (64 * 1024)
#define SECOND_MS 1000

void allowance_open(allowance *allowance, uint64_t now_ms) {
  allowance->lines_renewed_ms = allowance->bytes_renewed_ms = now_ms;
  allowance->lines = LINES_SAVED_MAX;
  allowance->bytes = OUTPUT_BYTES_PER_SECOND;
  allowance->lines_left_out = 0;
}

void allowance_renew(allowance *allowance, uint64_t now_ms, events *events) {
  int64_t bytes = (int64_t)(now_ms - allowance->bytes_renewed_ms) * OUTPUT_BYTES_PER_SECOND / SECOND_MS;
  allowance->bytes_renewed_ms = now_ms;
  allowance->bytes += bytes;
  if (allowance->bytes > OUTPUT_BYTES_PER_SECOND) allowance->bytes = OUTPUT_BYTES_PER_SECOND;
  uint64_t seconds = (now_ms - allowance->lines_renewed_ms) / SECOND_MS;
  if (seconds == 0) return;
  allowance->lines_renewed_ms += seconds * SECOND_MS;
  uint64_t lines = allowance->lines + seconds * LINES_PER_SECOND;
  allowance->lines = lines < LINES_SAVED_MAX ? (uint32_t)lines : LINES_SAVED_MAX;
  allowance_settle(allowance, events);
}

void allowance_settle(allowance *allowance, events *events) {
  if (allowance->lines_left_out == 0) return;
  bool is_said = events_note(events, "%llu lines left out: no more than %d a second are kept",
                             (unsigned long long)allowance->lines_left_out, LINES_PER_SECOND);
  if (is_said) allowance->lines_left_out = 0;
}

void lines_open(lines *lines, int fd, const char *name) {
  lines->fd = fd;
  lines->name = name;
  lines->has_return = false;
  lines->length = 0;
  lines->cut_bytes = 0;
}

static void begin_line(lines *lines) {
  lines->length = 0;
  lines->cut_bytes = 0;
  lines->has_return = false;
}

static void end_line(lines *lines, allowance *allowance, events *events) {
  if (lines->cut_bytes > 0) {
    size_t whole = utf8_whole_length(lines->line, lines->length);
    lines->cut_bytes += lines->length - whole;
    lines->length = whole;
  }
  bool is_said = allowance->lines > 0 && events_line(events, lines->name, lines->line, lines->length, lines->cut_bytes);
  if (is_said) {
    allowance->lines--;
  } else {
    allowance->lines_left_out++;
  }
  begin_line(lines);
}

static void add(lines *lines, const char *bytes, size_t length) {
  size_t room = sizeof lines->line - lines->length;
  size_t kept = length < room ? length : room;
  memcpy(lines->line + lines->length, bytes, kept);
  lines->length += kept;
  lines->cut_bytes += length - kept;
}

/* Bytes without a newline. */
static void take(lines *lines, const char *bytes, size_t length) {
  if (length == 0) return;
  if (lines->has_return) begin_line(lines);
  if (bytes[length - 1] == '\r') {
    lines->has_return = true;
    length--;
  }
  const char *overwritten = memrchr(bytes, '\r', length);
  if (overwritten != NULL) {
    bool has_return = lines->has_return;
    begin_line(lines);
    lines->has_return = has_return;
    length -= (size_t)(overwritten + 1 - bytes);
    bytes = overwritten + 1;
  }
  add(lines, bytes, length);
}

bool lines_read(lines *lines, allowance *allowance, events *events) {
  static char bytes[READ_BYTES];
  ssize_t length = read(lines->fd, bytes, sizeof bytes);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (length <= 0) {
    lines_close(lines, allowance, events);
    return false;
  }
  allowance->bytes -= length;
  const char *at = bytes, *end = bytes + length;
  for (const char *newline; (newline = memchr(at, '\n', (size_t)(end - at))) != NULL; at = newline + 1) {
    take(lines, at, (size_t)(newline - at));
    end_line(lines, allowance, events);
  }
  take(lines, at, (size_t)(end - at));
  return true;
}

void lines_close(lines *lines, allowance *allowance, events *events) {
  if (lines->fd < 0) return;
  if (lines->length > 0) end_line(lines, allowance, events);
  close(lines->fd);
  lines->fd = -1;
}
