/* What tele_cuda and tele_gl have in common: their defaults, and a picture on its way into the ring. */
#ifndef AGENT_PUBLISHER_H
#define AGENT_PUBLISHER_H

#include "encode.h"

typedef struct publisher {
  agent_encoder *encoder;
  tele_producer *producer;
  uint32_t keyframes_answered; /* of those asked for */
} publisher;

/* Fills in what is 0: rounds sides up to even, 30 pictures a second, a bitrate by size and rate, a GOP of 2 s. */
void publisher_complete(agent_encoder_settings *settings);

/* The run, for access units of these settings. As tele_producer_open(). */
int publisher_open_run(publisher *publisher, const char *run_id, const agent_encoder_settings *settings);

/* Encodes the picture and publishes it as this frame, whose bytes and flags are set here. An access unit that does not
 * fit its slot is no failure: the producer counts it, and has asked for a keyframe. */
int publisher_encode(publisher *publisher, const encoder_picture *picture, tele_frame *frame);

/* As far as it was opened. */
void publisher_close(publisher *publisher);

#endif
