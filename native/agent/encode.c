#include "encode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "cuda_pictures.h"
#include "error.h"

struct agent_encoder {
  agent_encoder_settings asked;
  encoder *encoder; /* NULL after it failed */
  encoder_config config;
  uint32_t failed;        /* bit per kind that did, with AUTO */
  uint64_t keyframe_ns;   /* the last one's moment */
  cuda_pictures *fetcher; /* from the GPU's memory, once that was needed */
  char note[160];
};

static void say(const agent_encoder *encoder, const char *text) {
  if (encoder->asked.say != NULL) encoder->asked.say(text);
}

/* On the GPU where that can be. Else what failed there is in front of the note. */
static int open_next(agent_encoder *encoder) {
  char *note = encoder->note;
  const size_t note_bytes = sizeof encoder->note;
  int chars = 0;
  if (encoder->config.cuda_device != 0) {
    if (encoder_open(TELE_ENCODER_NVENC, 0, &encoder->config, &encoder->encoder, note, note_bytes) == 0) return 0;
    encoder->config.cuda_device = 0;
    chars = snprintf(note, note_bytes, "%.80s; ", tele_error_message());
  }
  return encoder_open(encoder->asked.kind, encoder->failed, &encoder->config, &encoder->encoder, note + chars,
                      note_bytes - (size_t)chars);
}

int agent_encoder_open(const agent_encoder_settings *settings, agent_encoder **made) {
  agent_encoder *encoder = calloc(1, sizeof *encoder);
  if (encoder == NULL) return error_set(ENOMEM, "cannot open an encoder: no memory");
  const bool on_gpu = settings->kind == TELE_ENCODER_AUTO || settings->kind == TELE_ENCODER_NVENC;
  *encoder = (agent_encoder){.asked = *settings,
                             .config = {.width = settings->width,
                                        .height = settings->height,
                                        .fps_mhz = settings->fps_mhz,
                                        .bitrate_kbps = settings->bitrate_kbps,
                                        .slices = settings->slices,
                                        .cuda_device = on_gpu ? settings->cuda_device : 0}};
  const int result = open_next(encoder);
  if (result < 0) {
    free(encoder);
    return result;
  }
  *made = encoder;
  return 0;
}

bool agent_encoder_is_on_gpu(const agent_encoder *encoder) { return encoder->config.cuda_device != 0; }

/* Fewer pictures have as many bits together, but each at most twice its usual share: a ring's slots are made for no
 * more (output_ring_size()), and whoever is refused one access unit is refused all up to the next keyframe. */
static int follow_rate(agent_encoder *encoder, uint32_t rate_max_mhz) {
  const uint32_t usual_mhz = encoder->asked.fps_mhz, least_mhz = (usual_mhz + 1) / 2;
  uint32_t fps_mhz = rate_max_mhz == 0 || rate_max_mhz > usual_mhz ? usual_mhz : rate_max_mhz;
  if (fps_mhz < least_mhz) fps_mhz = least_mhz;
  if (fps_mhz == encoder->config.fps_mhz) return 0;
  encoder->config.fps_mhz = fps_mhz;
  return encoder->encoder->backend->reconfigure(encoder->encoder, &encoder->config);
}

/* Half a period early is on time: pictures come a little before and after their moment. */
static bool gop_is_over(const agent_encoder *encoder, uint64_t t_mono_ns) {
  const uint64_t half_period_ns = (uint64_t)(5e11 / encoder->config.fps_mhz);
  return t_mono_ns + half_period_ns >= encoder->keyframe_ns + encoder->asked.gop_ms * NS_PER_MS;
}

/* Into memory, as I420. */
static int fetch(agent_encoder *encoder, const encoder_picture *on_gpu, encoder_picture *picture) {
  const cuda_source source = {
      .format = TELE_FORMAT_NV12, .address = on_gpu->device_address, .pitch = (uint32_t)on_gpu->strides[0]};
  int result = 0;
  if (encoder->fetcher == NULL) {
    result =
        cuda_pictures_open((int)encoder->asked.cuda_device - 1, on_gpu->width, on_gpu->height, true, &encoder->fetcher);
  }
  if (result == 0) result = cuda_pictures_begin(encoder->fetcher, &source, NULL);
  return result == 0 ? cuda_pictures_take(encoder->fetcher, picture) : result;
}

/* An encoder, and the picture where that one takes it. */
static int prepare(agent_encoder *encoder, const encoder_picture **picture, encoder_picture *fetched) {
  int result = 0;
  if (encoder->encoder == NULL) {
    char text[sizeof encoder->note + 64];
    result = open_next(encoder);
    if (result < 0) return result;
    snprintf(text, sizeof text, "from now on (%s), encoded by %s", encoder->note, agent_encoder_name(encoder));
    say(encoder, text);
  }
  if ((*picture)->device_address != 0 && !agent_encoder_is_on_gpu(encoder)) {
    result = fetch(encoder, *picture, fetched);
    *picture = fetched;
  }
  return result;
}

static void give_up_encoder(agent_encoder *encoder) {
  say(encoder, tele_error_message());
  encoder->failed |= 1u << encoder->encoder->backend->kind;
  encoder->encoder->backend->close(encoder->encoder);
  encoder->encoder = NULL;
  encoder->config.cuda_device = 0;
}

int agent_encode(agent_encoder *encoder, const encoder_picture *picture, uint64_t t_mono_ns,
                 const output_wishes *wishes, access_unit *unit) {
  encoder_picture fetched;
  const bool keyframe = wishes->keyframe || gop_is_over(encoder, t_mono_ns);
  for (;;) {
    int result = prepare(encoder, &picture, &fetched);
    if (result < 0) return result;
    result = follow_rate(encoder, wishes->rate_max_mhz);
    if (result == 0) result = encoder->encoder->backend->encode(encoder->encoder, picture, keyframe, unit);
    if (result == 0) break;
    if (encoder->asked.kind != TELE_ENCODER_AUTO) return result;
    give_up_encoder(encoder);
  }
  if (unit->keyframe) encoder->keyframe_ns = t_mono_ns;
  return 0;
}

tele_encoder_kind agent_encoder_kind(const agent_encoder *encoder) {
  return encoder->encoder != NULL ? encoder->encoder->backend->kind : encoder->asked.kind;
}

const char *agent_encoder_name(const agent_encoder *encoder) {
  return encoder->encoder != NULL ? encoder->encoder->name : "none";
}

const char *agent_encoder_note(const agent_encoder *encoder) { return encoder->note; }

void agent_encoder_close(agent_encoder *encoder) {
  if (encoder == NULL) return;
  if (encoder->encoder != NULL) encoder->encoder->backend->close(encoder->encoder);
  cuda_pictures_close(encoder->fetcher);
  free(encoder);
}
