/*
 * The splitter of telebridge.h (tele_annexb_*) as the agent's own parts see it.
 *
 * Where an access unit ends is only told by what begins the next one (ITU-R H.264, 7.4.1.2.3), a frame later. Whoever
 * knows better says so by tele_annexb_cut(): a container's end of packet, or a pipe that has been quiet for a moment. A
 * cut that turns out wrong is seen at what follows, and costs the units up to the next keyframe.
 */
#ifndef ANNEXB_H
#define ANNEXB_H

#include "h264_sps.h"
#include "telebridge.h"

/* Of the newest SPS; zeros before one came. */
const h264_sps *annexb_sps(const tele_annexb *splitter);

/* How often a cut was wrong. */
uint64_t annexb_wrong_cuts(const tele_annexb *splitter);

/* Bytes held back, of a unit whose end is not known. */
uint64_t annexb_held_bytes(const tele_annexb *splitter);

/* What comes next does not follow what came: the unit begun is dropped. */
void annexb_lose(tele_annexb *splitter);

#endif
