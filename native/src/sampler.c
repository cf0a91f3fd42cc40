#include "sampler.h"

/* Stays at the end of all clocks where settings reach beyond it. */
static uint64_t add_ns(uint64_t when_ns, uint64_t ns) { return ns > UINT64_MAX - when_ns ? UINT64_MAX : when_ns + ns; }

/* The beginning of the first turn after when_ns. */
static uint64_t next_turn(const tele_stream_settings *settings, uint64_t when_ns) {
  uint64_t period_ns = settings->period_ns, phase_ns = settings->phase_ns % period_ns;
  if (when_ns < phase_ns) return phase_ns;
  return add_ns(when_ns - (when_ns - phase_ns) % period_ns, period_ns);
}

uint64_t sampler_due_ns(const sampler *sampler, const tele_stream_settings *settings, uint64_t now_ns) {
  if (sampler->frame == 0) return now_ns;
  uint64_t due_ns = add_ns(sampler->at_ns, settings->interval_min_ns);
  if (settings->period_ns == 0) return due_ns;
  /* The first turn that began after the last sample and after the interval. */
  uint64_t turn_ns = next_turn(settings, sampler->at_ns);
  if (turn_ns < due_ns) turn_ns = next_turn(settings, due_ns - 1);
  if (now_ns < turn_ns) return turn_ns;
  uint64_t next_ns = next_turn(settings, now_ns);
  return next_ns - now_ns >= settings->period_ns - settings->period_ns / 2 ? now_ns : next_ns;
}

uint64_t sampler_after(const sampler *sampler, const tele_stream_settings *settings) {
  if (sampler->frame == 0 || settings->every_nth < 2) return sampler->frame;
  return sampler->frame + settings->every_nth - 1;
}
