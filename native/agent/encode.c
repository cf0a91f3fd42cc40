#include "encode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "error.h"

struct agent_encoder {
  encoder *encoder; /* NULL after it failed */
  encoder_config config;
  tele_encoder_kind kind;
  uint32_t failed; /* bit per kind that did, with AUTO */
  uint32_t fps_mhz;
  uint64_t gop_ns, keyframe_ns; /* the last one's moment */
  char note[160];
};

static int open_next(agent_encoder *encoder) {
  return encoder_open(encoder->kind, encoder->failed, &encoder->config, &encoder->encoder, encoder->note,
                      sizeof encoder->note);
}

int agent_encoder_open(const agent_options *options, uint32_t slices, agent_encoder **made) {
  agent_encoder *encoder = calloc(1, sizeof *encoder);
  if (encoder == NULL) return error_set(ENOMEM, "cannot open an encoder: no memory");
  *encoder = (agent_encoder){.kind = options->encoder,
                             .fps_mhz = options->fps_mhz,
                             .gop_ns = options->gop_ms * NS_PER_MS,
                             .config = {.width = options->width,
                                        .height = options->height,
                                        .fps_mhz = options->fps_mhz,
                                        .bitrate_kbps = options->bitrate_kbps,
                                        .slices = slices}};
  const int result = open_next(encoder);
  if (result < 0) {
    free(encoder);
    return result;
  }
  *made = encoder;
  return 0;
}

/* Fewer pictures have as many bits together. */
static int follow_rate(agent_encoder *encoder, uint32_t rate_max_mhz) {
  const bool capped = rate_max_mhz > 0 && rate_max_mhz < encoder->fps_mhz;
  const uint32_t fps_mhz = capped ? rate_max_mhz : encoder->fps_mhz;
  if (fps_mhz == encoder->config.fps_mhz) return 0;
  encoder->config.fps_mhz = fps_mhz;
  return encoder->encoder->backend->reconfigure(encoder->encoder, &encoder->config);
}

/* Half a period early is on time: pictures come a little before and after their moment. */
static bool gop_is_over(const agent_encoder *encoder, uint64_t t_mono_ns) {
  const uint64_t half_period_ns = (uint64_t)(5e11 / encoder->config.fps_mhz);
  return t_mono_ns + half_period_ns >= encoder->keyframe_ns + encoder->gop_ns;
}

static int encode_once(agent_encoder *encoder, const encoder_picture *picture, bool keyframe, access_unit *unit) {
  if (encoder->encoder == NULL) {
    const int result = open_next(encoder);
    if (result < 0) return result;
    fprintf(stderr, AGENT_NAME ": now by %s\n", encoder->note);
  }
  return encoder->encoder->backend->encode(encoder->encoder, picture, keyframe, unit);
}

int agent_encode(agent_encoder *encoder, const encoder_picture *picture, uint64_t t_mono_ns,
                 const output_wishes *wishes, access_unit *unit) {
  const bool keyframe = wishes->keyframe || gop_is_over(encoder, t_mono_ns);
  int result = follow_rate(encoder, wishes->rate_max_mhz);
  while (result == 0 && (result = encode_once(encoder, picture, keyframe, unit)) < 0) {
    if (encoder->kind != TELE_ENCODER_AUTO || encoder->encoder == NULL) return result;
    fprintf(stderr, AGENT_NAME ": %s\n", tele_error_message());
    encoder->failed |= 1u << encoder->encoder->backend->kind;
    encoder->encoder->backend->close(encoder->encoder);
    encoder->encoder = NULL;
    result = 0;
  }
  if (result == 0 && unit->keyframe) encoder->keyframe_ns = t_mono_ns;
  return result;
}

const char *agent_encoder_name(const agent_encoder *encoder) { return encoder->encoder->name; }
const char *agent_encoder_note(const agent_encoder *encoder) { return encoder->note; }

void agent_encoder_close(agent_encoder *encoder) {
  if (encoder == NULL) return;
  if (encoder->encoder != NULL) encoder->encoder->backend->close(encoder->encoder);
  free(encoder);
}
