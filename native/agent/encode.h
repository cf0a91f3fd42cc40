/* An agent's pictures as access units: which encoder, when a keyframe, and what when the encoder fails. */
#ifndef AGENT_ENCODE_H
#define AGENT_ENCODE_H

#include "encoder.h"
#include "options.h"
#include "output.h"

typedef struct agent_encoder agent_encoder;

/* slices: of each picture; 0 = as many as pay off here. */
int agent_encoder_open(const agent_options *options, uint32_t slices, agent_encoder **made);

/* Encodes a picture of the moment t_mono_ns. Where the encoder was not asked for by name and fails, the next one takes
 * over with a keyframe, and stderr has why. The bytes are good until the next call. */
int agent_encode(agent_encoder *encoder, const encoder_picture *picture, uint64_t t_mono_ns,
                 const output_wishes *wishes, access_unit *unit);

/* For people: "x264 164", and why it is this one. */
const char *agent_encoder_name(const agent_encoder *encoder);
const char *agent_encoder_note(const agent_encoder *encoder);

/* NULL is fine. */
void agent_encoder_close(agent_encoder *encoder);

#endif
