#include "sampler.h"

/* The beginning of the turn in which when_ns lies. */
static uint64_t turn_of(const tele_stream_settings *settings, uint64_t when_ns) {
  uint64_t period_ns = settings->period_ns, phase_ns = settings->phase_ns % period_ns;
  if (when_ns < phase_ns) return 0;
  return when_ns - (when_ns - phase_ns) % period_ns;
}

uint64_t sampler_due_ns(const sampler *sampler, const tele_stream_settings *settings, uint64_t now_ns) {
  if (sampler->frame == 0) return now_ns;
  uint64_t due_ns = sampler->at_ns + settings->interval_min_ns;
  if (settings->period_ns == 0) return due_ns;
  uint64_t period_ns = settings->period_ns;
  /* The first turn that began after the last sample and after the interval. */
  uint64_t turn_ns = turn_of(settings, sampler->at_ns) + period_ns;
  if (turn_ns < due_ns) turn_ns = turn_of(settings, due_ns - 1) + period_ns;
  if (now_ns < turn_ns) return turn_ns;
  uint64_t current_ns = turn_of(settings, now_ns);
  return now_ns - current_ns <= period_ns / 2 ? now_ns : current_ns + period_ns;
}

uint64_t sampler_after(const sampler *sampler, const tele_stream_settings *settings) {
  if (sampler->frame == 0 || settings->every_nth < 2) return sampler->frame;
  return sampler->frame + settings->every_nth - 1;
}
