/* Whether the wall clock is right, and what it costs to read one. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/timex.h>

#include "clock.h"
#include "error.h"
#include "json_text.h"
#include "telebridge.h"

#define READS_COUNT 20000

/* A clock that the kernel itself must be asked for costs a microsecond, not tens of nanoseconds. */
static double read_cost_ns(void) {
  uint64_t from = clock_mono_ns(), now = from;
  for (int i = 0; i < READS_COUNT; i++) now = clock_mono_ns();
  return (double)(now - from) / READS_COUNT;
}

int tele_probe_clock_json(char *buffer, size_t buffer_bytes) {
  struct timex state = {.modes = 0};
  int result = adjtimex(&state);
  if (result < 0) return error_set(errno, "cannot ask for the clock's state: %s", strerror(errno));
  bool synchronized = result != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
  text json = {.at = buffer, .bytes = buffer_bytes};
  text_append(&json, "{\"synchronized\":%s,\"max_error_us\":%ld,\"read_ns\":%.1f}", synchronized ? "true" : "false",
              state.maxerror, read_cost_ns());
  return text_end(&json, "the clock's state");
}
