/* When the next frame is sampled: the display's grid, the least interval, every n-th frame. Pure arithmetic. */
#ifndef TELE_SAMPLER_H
#define TELE_SAMPLER_H

#include "telebridge.h"

typedef struct sampler {
  uint64_t frame; /* sampled last; 0 = none */
  uint64_t at_ns; /* when */
} sampler;

/* When a frame that is there at now_ns may be sampled: now_ns or earlier = at once.
 *
 * With a grid, a turn begins at each phase_ns + k * period_ns and takes one frame. A frame that comes after its turn
 * began is sampled at once in the turn's first half: the phase leaves room for a slow path, so that it may still be
 * drawn with this turn. In the second half it would be drawn with the next turn in any case; there it waits, since a
 * fresher one may come. */
uint64_t sampler_due_ns(const sampler *sampler, const tele_stream_settings *settings, uint64_t now_ns);

/* The frame after which the next one may be sampled: head must be higher. */
uint64_t sampler_after(const sampler *sampler, const tele_stream_settings *settings);

#endif
