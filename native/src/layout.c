/* The layout of every public struct as the compiler sees it, for bindings in other languages to compare. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "clock.h"
#include "error.h"
#include "telebridge.h"

const char *tele_version(void) { return "0.1.0"; }

uint64_t tele_clock_mono_ns(void) { return clock_mono_ns(); }

typedef struct field {
  const char *name;
  size_t offset;
  size_t bytes;
} field;

typedef struct layout {
  const char *name;
  size_t bytes;
  const field *fields;
  size_t fields_count;
} layout;

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define FIELD(type, member) \
  { #member, offsetof(type, member), sizeof(((type *)0)->member) }
#define LAYOUT(type) \
  { #type, sizeof(type), type##_fields, COUNT(type##_fields) }

static const field tele_slot_header_fields[] = {
    FIELD(tele_slot_header, seq),
    FIELD(tele_slot_header, frame),
    FIELD(tele_slot_header, step),
    FIELD(tele_slot_header, episode),
    FIELD(tele_slot_header, reward),
    FIELD(tele_slot_header, t_mono_ns),
    FIELD(tele_slot_header, t_real_ns),
    FIELD(tele_slot_header, width),
    FIELD(tele_slot_header, height),
    FIELD(tele_slot_header, format),
    FIELD(tele_slot_header, stride),
    FIELD(tele_slot_header, bytes),
    FIELD(tele_slot_header, flags),
    FIELD(tele_slot_header, overlay_width),
    FIELD(tele_slot_header, overlay_height),
    FIELD(tele_slot_header, overlay_format),
    FIELD(tele_slot_header, overlay_bytes),
    FIELD(tele_slot_header, overlay_offset),
};
static const field tele_hud_fields[] = {
    FIELD(tele_hud, last_reward), FIELD(tele_hud, avg_reward_1s), FIELD(tele_hud, step_rate_hz),
    FIELD(tele_hud, episode),     FIELD(tele_hud, step),          FIELD(tele_hud, episode_return),
    FIELD(tele_hud, loss),
};
static const field tele_input_fields[] = {
    FIELD(tele_input, kind),    FIELD(tele_input, code),      FIELD(tele_input, x),    FIELD(tele_input, y),
    FIELD(tele_input, buttons), FIELD(tele_input, modifiers), FIELD(tele_input, t_ns),
};
static const field tele_producer_options_fields[] = {
    FIELD(tele_producer_options, payload_bytes_max),
    FIELD(tele_producer_options, capacity),
};
static const field tele_frame_fields[] = {
    FIELD(tele_frame, pixels),         FIELD(tele_frame, overlay),       FIELD(tele_frame, bytes),
    FIELD(tele_frame, step),           FIELD(tele_frame, episode),       FIELD(tele_frame, reward),
    FIELD(tele_frame, t_mono_ns),      FIELD(tele_frame, t_real_ns),     FIELD(tele_frame, width),
    FIELD(tele_frame, height),         FIELD(tele_frame, format),        FIELD(tele_frame, stride),
    FIELD(tele_frame, flags),          FIELD(tele_frame, overlay_width), FIELD(tele_frame, overlay_height),
    FIELD(tele_frame, overlay_format),
};
static const field tele_controls_fields[] = {
    FIELD(tele_controls, controller_alive),
    FIELD(tele_controls, pause_requested),
    FIELD(tele_controls, rate_max_mhz),
    FIELD(tele_controls, keyframe_requests),
};
static const field tele_status_fields[] = {
    FIELD(tele_status, head),       FIELD(tele_status, epoch_ns),     FIELD(tele_status, capacity),
    FIELD(tele_status, slot_bytes), FIELD(tele_status, inode),        FIELD(tele_status, flags),
    FIELD(tele_status, owner),      FIELD(tele_status, producer_pid), FIELD(tele_status, replaced),
    FIELD(tele_status, controls),
};
static const field tele_hub_event_fields[] = {
    FIELD(tele_hub_event, stream_id), FIELD(tele_hub_event, head),   FIELD(tele_hub_event, t_mono_ns),
    FIELD(tele_hub_event, kind),      FIELD(tele_hub_event, detail),
};
static const field tele_stream_settings_fields[] = {
    FIELD(tele_stream_settings, phase_ns),        FIELD(tele_stream_settings, period_ns),
    FIELD(tele_stream_settings, interval_min_ns), FIELD(tele_stream_settings, outputs),
    FIELD(tele_stream_settings, every_nth),       FIELD(tele_stream_settings, in_order),
    FIELD(tele_stream_settings, bitrate_kbps),    FIELD(tele_stream_settings, gop_ms),
    FIELD(tele_stream_settings, fps_mhz),         FIELD(tele_stream_settings, jpeg_quality),
    FIELD(tele_stream_settings, encoder),
};
static const field tele_stream_status_fields[] = {
    FIELD(tele_stream_status, frames_sampled), FIELD(tele_stream_status, frames_skipped),
    FIELD(tele_stream_status, packets),        FIELD(tele_stream_status, packets_dropped),
    FIELD(tele_stream_status, keyframes),      FIELD(tele_stream_status, bytes),
    FIELD(tele_stream_status, convert_ns),     FIELD(tele_stream_status, encode_ns),
    FIELD(tele_stream_status, decode_ns),      FIELD(tele_stream_status, last_frame),
    FIELD(tele_stream_status, encoder),        FIELD(tele_stream_status, width),
    FIELD(tele_stream_status, height),         FIELD(tele_stream_status, bitrate_kbps),
    FIELD(tele_stream_status, encoder_name),   FIELD(tele_stream_status, note),
};
static const field tele_picture_stats_fields[] = {
    FIELD(tele_picture_stats, frame),  FIELD(tele_picture_stats, t_mono_ns), FIELD(tele_picture_stats, width),
    FIELD(tele_picture_stats, height), FIELD(tele_picture_stats, luma_min),  FIELD(tele_picture_stats, luma_max),
    FIELD(tele_picture_stats, cells),
};
static const field tele_access_unit_fields[] = {
    FIELD(tele_access_unit, bytes),  FIELD(tele_access_unit, bytes_count), FIELD(tele_access_unit, width),
    FIELD(tele_access_unit, height), FIELD(tele_access_unit, flags),       FIELD(tele_access_unit, slices_count),
};

static const field tele_cuda_options_fields[] = {
    FIELD(tele_cuda_options, width),   FIELD(tele_cuda_options, height),  FIELD(tele_cuda_options, device),
    FIELD(tele_cuda_options, encoder), FIELD(tele_cuda_options, fps_mhz), FIELD(tele_cuda_options, bitrate_kbps),
    FIELD(tele_cuda_options, gop_ms),
};
static const field tele_cuda_frame_fields[] = {
    FIELD(tele_cuda_frame, address), FIELD(tele_cuda_frame, chroma),    FIELD(tele_cuda_frame, array),
    FIELD(tele_cuda_frame, stream),  FIELD(tele_cuda_frame, step),      FIELD(tele_cuda_frame, episode),
    FIELD(tele_cuda_frame, reward),  FIELD(tele_cuda_frame, t_mono_ns), FIELD(tele_cuda_frame, format),
    FIELD(tele_cuda_frame, pitch),   FIELD(tele_cuda_frame, bottom_up),
};

static const layout layouts[] = {
    LAYOUT(tele_slot_header),     LAYOUT(tele_hud),           LAYOUT(tele_input),       LAYOUT(tele_producer_options),
    LAYOUT(tele_frame),           LAYOUT(tele_controls),      LAYOUT(tele_status),      LAYOUT(tele_hub_event),
    LAYOUT(tele_stream_settings), LAYOUT(tele_stream_status), LAYOUT(tele_access_unit), LAYOUT(tele_picture_stats),
    LAYOUT(tele_cuda_options),    LAYOUT(tele_cuda_frame),
};

/* Offsets in the header of the segment: name as in telebridge.h, without TELE_OFFSET_. */
#define HEADER_OFFSET(name) \
  { #name, TELE_OFFSET_##name, 0 }
static const field header_offsets[] = {
    HEADER_OFFSET(MAGIC),
    HEADER_OFFSET(VERSION),
    HEADER_OFFSET(FLAGS),
    HEADER_OFFSET(HEADER_BYTES),
    HEADER_OFFSET(CAPACITY),
    HEADER_OFFSET(SLOT_BYTES),
    HEADER_OFFSET(PAYLOAD_BYTES_MAX),
    HEADER_OFFSET(EPOCH_NS),
    HEADER_OFFSET(PRODUCER_PID),
    HEADER_OFFSET(HEAD),
    HEADER_OFFSET(KEYFRAME_REQUESTS),
    HEADER_OFFSET(RATE_MAX_MHZ),
    HEADER_OFFSET(PAUSE_REQUESTED),
    HEADER_OFFSET(NOTIFY_WANTED),
    HEADER_OFFSET(CONTROLLER_UNTIL),
    HEADER_OFFSET(HUD_SEQ),
    HEADER_OFFSET(HUD),
    HEADER_OFFSET(TAIL),
    HEADER_OFFSET(FRAMES_SKIPPED),
    HEADER_OFFSET(INPUT_HEAD),
    HEADER_OFFSET(INPUTS_DROPPED),
    HEADER_OFFSET(INPUT_TAIL),
    HEADER_OFFSET(INPUT_EVENTS),
};

/* Text that grows in a buffer of fixed size; too_long once it did not fit. */
typedef struct text {
  char *buffer;
  size_t bytes, bytes_max;
  bool too_long;
} text;

__attribute__((format(printf, 2, 3))) static void append(text *text, const char *format, ...) {
  if (text->too_long) return;
  va_list arguments;
  va_start(arguments, format);
  size_t left = text->bytes_max - text->bytes;
  int chars = vsnprintf(text->buffer + text->bytes, left, format, arguments);
  va_end(arguments);
  text->too_long = (size_t)chars >= left;
  text->bytes += (size_t)chars;
}

int tele_layout_json(char *buffer, size_t buffer_bytes) {
  text text = {.buffer = buffer, .bytes_max = buffer_bytes};
  append(&text, "{\"version\":\"%s\",\"structs\":{", tele_version());
  for (size_t i = 0; i < COUNT(layouts); i++) {
    append(&text, "%s\"%s\":{\"bytes\":%zu,\"fields\":{", i == 0 ? "" : ",", layouts[i].name, layouts[i].bytes);
    for (size_t j = 0; j < layouts[i].fields_count; j++) {
      const field *each = &layouts[i].fields[j];
      append(&text, "%s\"%s\":{\"offset\":%zu,\"bytes\":%zu}", j == 0 ? "" : ",", each->name, each->offset,
             each->bytes);
    }
    append(&text, "}}");
  }
  append(&text, "},\"header\":{");
  for (size_t i = 0; i < COUNT(header_offsets); i++) {
    append(&text, "%s\"%s\":%zu", i == 0 ? "" : ",", header_offsets[i].name, header_offsets[i].offset);
  }
  append(&text, "}}");
  if (text.too_long) {
    return error_set(ENOSPC, "the layout does not fit a buffer of %zu bytes", buffer_bytes);
  }
  return (int)text.bytes;
}
