/* When the next picture is due: an absolute rhythm, in which a late picture moves no later one. */
#ifndef AGENT_PACER_H
#define AGENT_PACER_H

#include <stdint.h>

typedef struct pacer {
  double period_ns;
  uint64_t begun_ns;
  uint64_t turn;    /* the next one's number, from 0 at begun_ns */
  uint64_t skipped; /* turns that passed while nobody could take them, for ever */
} pacer;

static inline pacer pacer_of(uint32_t fps_mhz) { return (pacer){.period_ns = 1e12 / fps_mhz}; }

/* The rhythm starts anew: a turn is due now. */
static inline void pacer_begin(pacer *pacer, uint64_t now_ns) {
  pacer->begun_ns = now_ns;
  pacer->turn = 0;
}

static inline uint64_t pacer_due_ns(const pacer *pacer) {
  return pacer->begun_ns + (uint64_t)((double)pacer->turn * pacer->period_ns);
}

/* Takes the turn that is due, or else the next one, early. Those before it that have passed are skipped: whoever is
 * slow makes fewer pictures, and never falls further behind than one. */
static inline void pacer_take(pacer *pacer, uint64_t now_ns) {
  while (pacer_due_ns(pacer) + (uint64_t)pacer->period_ns <= now_ns) {
    pacer->turn++;
    pacer->skipped++;
  }
  pacer->turn++;
}

#endif
