#include "events.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
static const char ellipsis[] = " \xe2\x80\xa6";

void events_open(events *events, int fd) {
  events->fd = fd;
  events->is_broken = false;
  events->used = 0;
}

/* Whether an event of so many bytes fits; `must` may use what is reserved. */
static bool has_room(events *events, size_t bytes, bool must) {
  return events->used + bytes + (must ? 0 : EVENTS_BYTES_RESERVED) <= EVENTS_BYTES_MAX;
}

__attribute__((format(printf, 2, 3))) static void add(events *events, const char *format, ...) {
  size_t room = EVENTS_BYTES_MAX - events->used;
  va_list arguments;
  va_start(arguments, format);
  int added = vsnprintf(events->bytes + events->used, room, format, arguments);
  va_end(arguments);
  if (added > 0) events->used += (size_t)added < room ? (size_t)added : room - 1;
}

static void add_bytes(events *events, const char *bytes, size_t length) {
  memcpy(events->bytes + events->used, bytes, length);
  events->used += length;
}

/* As the inside of a JSON string; six bytes for each at most (RFC 8259, section 7). */
static void add_escaped(events *events, const char *bytes, size_t length) {
  for (size_t at = 0; at < length;) {
    unsigned char byte = (unsigned char)bytes[at];
    size_t sequence = utf8_sequence(bytes + at, length - at);
    if (sequence == 0) {
      add_bytes(events, replacement, sizeof replacement - 1);
      at++;
      continue;
    }
    if (byte == '"' || byte == '\\') {
      add(events, "\\%c", byte);
    } else if (byte < ' ' || byte == 0x7f) {
      add(events, "\\u%04x", byte);
    } else {
      add_bytes(events, bytes + at, sequence);
    }
    at += sequence;
  }
}

static void add_string(events *events, const char *text) {
  add(events, "\"");
  add_escaped(events, text, strlen(text));
  add(events, "\"");
}

void events_started(events *events, pid_t pid) { add(events, "{\"event\":\"started\",\"pid\":%d}\n", (int)pid); }

bool events_line(events *events, const char *name, const char *bytes, size_t length, uint64_t left_out_bytes) {
  if (!has_room(events, 6 * length + 256, false)) return false;
  add(events, "{\"event\":\"line\",\"stream\":\"%s\",\"text\":\"", name);
  add_escaped(events, bytes, length);
  if (left_out_bytes > 0) add(events, "%s [%llu bytes left out]", ellipsis, (unsigned long long)left_out_bytes);
  add(events, "\"}\n");
  return true;
}

bool events_note(events *events, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return events_line(events, "keeper", text, strlen(text), 0);
}

void events_usage(events *events, const usage *usage) {
  if (!has_room(events, 256, false)) return;
  add(events, "{\"event\":\"usage\",\"rssBytes\":%llu,\"cpuSeconds\":%.2f,\"processes\":%zu}\n",
      (unsigned long long)usage->resident_bytes, usage->cpu_seconds, usage->processes_count);
}

void events_ended(events *events, const char *reason, int code, const char *signal_name, const char *text) {
  add(events, "{\"event\":\"ended\",\"reason\":\"%s\",\"code\":", reason);
  code < 0 ? add(events, "null") : add(events, "%d", code);
  add(events, ",\"signal\":");
  signal_name == NULL ? add(events, "null") : add_string(events, signal_name);
  add(events, ",\"text\":");
  add_string(events, text);
  add(events, "}\n");
}

void events_flush(events *events) {
  while (events->used > 0 && !events->is_broken) {
    ssize_t written = write(events->fd, events->bytes, events->used);
    if (written < 0) {
      if (errno == EINTR) continue;
      events->is_broken = errno != EAGAIN;
      break;
    }
    events->used -= (size_t)written;
    memmove(events->bytes, events->bytes + written, events->used);
  }
  if (events->is_broken) events->used = 0;
}
