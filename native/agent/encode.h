/* Pictures as access units, for the agent and for tele_cuda: which encoder, when a keyframe, and what when the encoder
 * fails. */
#ifndef AGENT_ENCODE_H
#define AGENT_ENCODE_H

#include "encoder.h"
#include "output.h"

typedef struct agent_encoder agent_encoder;

typedef struct agent_encoder_settings {
  uint32_t width, height; /* pixels, even */
  uint32_t fps_mhz, bitrate_kbps;
  uint32_t gop_ms; /* between keyframes that nobody asked for */
  uint32_t slices; /* of each picture; 0 = as many as pay off here */
  tele_encoder_kind kind;
  uint32_t cuda_device;          /* 1 + CUDA's device in whose memory pictures can be; 0 = they are in ours */
  void (*say)(const char *text); /* what failed, and who takes over; NULL = to nobody */
} agent_encoder_settings;

int agent_encoder_open(const agent_encoder_settings *settings, agent_encoder **made);

/* Whether it takes pictures in the GPU's memory as they are: NVENC, on that GPU. */
bool agent_encoder_is_on_gpu(const agent_encoder *encoder);

/* Encodes a picture of the moment t_mono_ns. Where the encoder was not asked for by name and fails, the next one takes
 * over with a keyframe; then, and whenever the encoder is not on the GPU, a picture in the GPU's memory is fetched. The
 * bytes are good until the next call. */
int agent_encode(agent_encoder *encoder, const encoder_picture *picture, uint64_t t_mono_ns,
                 const output_wishes *wishes, access_unit *unit);

/* Which it is; for people: "x264 164", and why it is this one. What was asked for and "none" after the last one failed.
 */
tele_encoder_kind agent_encoder_kind(const agent_encoder *encoder);
const char *agent_encoder_name(const agent_encoder *encoder);
const char *agent_encoder_note(const agent_encoder *encoder);

/* NULL is fine. */
void agent_encoder_close(agent_encoder *encoder);

#endif
