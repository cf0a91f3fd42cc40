#include "stream_output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "error.h"

#define JPEG_QUALITY_DEFAULT 80u

void output_close_encoder(stream_output *output) {
  if (output->encoder != NULL) output->encoder->backend->close(output->encoder);
  output->encoder = NULL;
}

void output_forget_failures(stream_output *output) {
  output->failed = 0;
  output->given_up = false;
}

static void give_up(stream_output *output) {
  output_close_encoder(output);
  output->given_up = true;
  snprintf(output->note, sizeof output->note, "%s", tele_error_message());
}

bool output_owes_keyframe(const stream_output *output, const tele_stream_settings *settings, uint64_t now_ns) {
  if (output->keyframe_due) return true;
  return settings->gop_ms != 0 && output->bit == TELE_OUTPUT_H264 &&
         now_ns - output->keyframe_ns >= settings->gop_ms * NS_PER_MS;
}

/* The measured rate is never twice the same: only a change that is worth a reconfiguration counts. */
static uint32_t steady_fps(const stream_output *output, uint32_t fps_mhz) {
  uint32_t before = output->config.fps_mhz;
  uint32_t difference = fps_mhz > before ? fps_mhz - before : before - fps_mhz;
  return output->encoder != NULL && difference <= before / 5 ? before : fps_mhz;
}

static encoder_config config_for(const stream_output *output, const tele_stream_settings *settings, uint32_t fps_mhz,
                                 const encoder_picture *picture) {
  encoder_config config = {.width = picture->width, .height = picture->height};
  if (output->bit == TELE_OUTPUT_JPEG) { /* without rate control, whose words may not be 0 all the same */
    config.quality = settings->jpeg_quality == 0 ? JPEG_QUALITY_DEFAULT : settings->jpeg_quality;
    config.fps_mhz = config.bitrate_kbps = 1;
    return config;
  }
  config.fps_mhz = settings->fps_mhz == 0 ? steady_fps(output, fps_mhz) : settings->fps_mhz;
  config.bitrate_kbps = settings->bitrate_kbps == 0 ? encoder_default_kbps(config.width, config.height, config.fps_mhz)
                                                    : settings->bitrate_kbps;
  return config;
}

static bool same_size(const encoder_config *one, const encoder_config *other) {
  return one->width == other->width && one->height == other->height;
}

static bool same_config(const encoder_config *one, const encoder_config *other) {
  return same_size(one, other) && one->fps_mhz == other->fps_mhz && one->bitrate_kbps == other->bitrate_kbps &&
         one->quality == other->quality;
}

static uint32_t kind_asked_of(const stream_output *output, const tele_stream_settings *settings) {
  return output->bit == TELE_OUTPUT_JPEG ? TELE_ENCODER_JPEG : settings->encoder;
}

/* Encoders take even sizes. */
static encoder_config config_of_size(uint32_t width, uint32_t height) {
  return (encoder_config){.width = (width + 1) & ~1u, .height = (height + 1) & ~1u};
}

bool output_is_hopeless(const stream_output *output, const tele_stream_settings *settings, uint32_t width,
                        uint32_t height) {
  encoder_config config = config_of_size(width, height);
  return output->given_up && same_size(&config, &output->config) &&
         kind_asked_of(output, settings) == output->kind_asked;
}

void output_give_up(stream_output *output, const tele_stream_settings *settings, uint32_t width, uint32_t height) {
  give_up(output);
  output->config = config_of_size(width, height);
  output->kind_asked = kind_asked_of(output, settings);
}

/* Another size or kind is a new encoder, and a new chance for those that failed. */
static void start_anew_where_needed(stream_output *output, uint32_t kind, const encoder_config *config) {
  if (kind == output->kind_asked && same_size(config, &output->config)) return;
  output_close_encoder(output);
  output_forget_failures(output);
  output->kind_asked = kind;
}

static int open_encoder(stream_output *output, const encoder_config *config) {
  char failure[sizeof output->note] = "", choice[sizeof output->note] = "";
  if (output->failed != 0) memcpy(failure, output->note, sizeof failure);
  /* A forced kind that failed is not tried again: its failure is the last error. */
  bool tried = output->kind_asked != TELE_ENCODER_AUTO && (output->failed & 1u << output->kind_asked) != 0;
  int result =
      tried ? -EIO : encoder_open(output->kind_asked, output->failed, config, &output->encoder, choice, sizeof choice);
  output->config = *config;
  if (result < 0) {
    output->encoder = NULL;
    give_up(output);
    return result;
  }
  /* What failed is what a reader wants to know first. */
  int chars = snprintf(output->note, sizeof output->note, "%.100s%s", failure, failure[0] == 0 ? "" : "; ");
  snprintf(output->note + chars, sizeof output->note - (size_t)chars, "%s", choice);
  return 0;
}

static int encode_once(stream_output *output, const encoder_config *config, const encoder_picture *picture,
                       bool keyframe, access_unit *unit) {
  const encoder_backend *backend = output->encoder->backend;
  if (!same_config(config, &output->config)) {
    int result = backend->reconfigure(output->encoder, config);
    if (result < 0) return result;
    output->config = *config;
  }
  int result = backend->encode(output->encoder, picture, keyframe, unit);
  if (result < 0) return result;
  /* Whoever relies on it would wait for ever. */
  if (unit->bytes_count == 0) return error_set(EIO, "it made nothing of a picture");
  if (keyframe && !unit->keyframe) return error_set(EIO, "it made no keyframe when it was asked to");
  return 0;
}

int output_encode(stream_output *output, const tele_stream_settings *settings, uint32_t fps_mhz,
                  const encoder_picture *picture, access_unit *unit, output_news *news) {
  *news = OUTPUT_SAME;
  encoder_config config = config_for(output, settings, fps_mhz, picture);
  start_anew_where_needed(output, kind_asked_of(output, settings), &config);
  if (output->given_up) return -ENODEV;
  bool keyframe = output_owes_keyframe(output, settings, clock_mono_ns());
  for (;;) {
    if (output->encoder == NULL) {
      int result = open_encoder(output, &config);
      *news = result < 0 ? OUTPUT_GIVEN_UP : OUTPUT_OPENED;
      if (result < 0) return result;
    }
    int result = encode_once(output, &config, picture, keyframe, unit);
    if (result == 0) return 0;
    output->failed |= 1u << output->encoder->backend->kind;
    snprintf(output->note, sizeof output->note, "%s failed: %.100s", output->encoder->name, tele_error_message());
    output_close_encoder(output);
  }
}
