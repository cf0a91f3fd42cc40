#include "source_format.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "h264_sps.h"
#include "ts_layout.h"

/* In a row, where a stream does not begin with one: by chance once in 2^40 places. */
#define SYNCS_COUNT 5u

/* Packets from `at` on, as many as are there. */
static bool is_ts_from(const uint8_t *bytes, size_t bytes_count, size_t at, size_t syncs_count) {
  if (at + (syncs_count - 1) * TS_PACKET_BYTES >= bytes_count) return false;
  for (size_t i = 0; i < syncs_count; i++) {
    if (bytes[at + i * TS_PACKET_BYTES] != TS_SYNC) return false;
  }
  return true;
}

/* A start code at `at`, and what begins an access unit: a delimiter or parameters, by their whole header bytes. */
static bool is_annexb_from(const uint8_t *bytes, size_t bytes_count, size_t at) {
  if (at + 3 >= bytes_count || bytes[at] != 0 || bytes[at + 1] != 0 || bytes[at + 2] != 1) return false;
  const uint8_t header = bytes[at + 3], type = header & 31;
  return header == H264_NAL_AUD || ((header & 0x80) == 0 && (header & 0x60) != 0 && type == H264_NAL_SPS);
}

/* Formats that programs write when they are not told otherwise. */
static const struct {
  size_t offset;
  const char *begins;
  size_t begins_bytes;
  const char *text;
} known[] = {
    {4, "ftyp", 4, "MP4, which cannot be read while it is written: ask for raw H.264 (FFmpeg: -f h264)"},
    {0, "\x1A\x45\xDF\xA3", 4, "Matroska or WebM: ask for raw H.264 (FFmpeg: -f h264; GStreamer: no muxer)"},
    {0, "FLV", 3, "FLV: ask for raw H.264 (FFmpeg: -f h264)"},
    {0, "RIFF", 4, "AVI or WAV: ask for raw H.264 (FFmpeg: -f h264)"},
    {0, "YUV4MPEG2", 9, "raw pictures (YUV4MPEG2): encode them as H.264 (FFmpeg: -c:v libx264 -f h264)"},
    {0, "\xFF\xD8\xFF", 3, "JPEG pictures: encode them as H.264 (FFmpeg: -c:v libx264 -f h264)"},
    {0, "\x89PNG", 4, "PNG pictures: encode them as H.264 (FFmpeg: -c:v libx264 -f h264)"},
    {0, "\0\0\0\1\x40\1", 6, "HEVC: encode as H.264 (FFmpeg: -c:v libx264)"},
    {0, "\0\0\1\x40\1", 5, "HEVC: encode as H.264 (FFmpeg: -c:v libx264)"},
};

#define AVCC_TEXT "H.264 with lengths: ask for start codes (GStreamer: video/x-h264,stream-format=byte-stream)"

/* NAL units with their lengths in front of them, as in MP4 (ISO/IEC 14496-15): less than 256 bytes, a delimiter or
 * parameters. */
static bool is_avcc(const uint8_t *bytes, size_t bytes_count) {
  if (bytes_count < 5 || (bytes[0] | bytes[1] | bytes[2]) != 0 || bytes[3] <= 1) return false;
  return bytes[4] == H264_NAL_AUD || (bytes[4] & 0x9F) == H264_NAL_SPS;
}

/* The text of a format that can be told by its first bytes; NULL. */
static const char *known_text(const uint8_t *bytes, size_t bytes_count) {
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (known[i].offset + known[i].begins_bytes > bytes_count) continue;
    if (memcmp(bytes + known[i].offset, known[i].begins, known[i].begins_bytes) == 0) return known[i].text;
  }
  return is_avcc(bytes, bytes_count) ? AVCC_TEXT : NULL;
}

/* Annex-B begins with zeros and a one, whatever the first NAL unit is. */
static source_format of_first_bytes(const uint8_t *bytes, size_t bytes_count) {
  size_t zeros = 0;
  while (zeros < bytes_count && bytes[zeros] == 0) zeros++;
  if (zeros < 2 || zeros + 3 > bytes_count || bytes[zeros] != 1) return SOURCE_FORMAT_OPEN;
  /* A length of one byte, or of 256 to 511, in front of a NAL unit begins like this too (AVCC). */
  const uint8_t header = bytes[zeros + 1];
  return (header & 0x80) == 0 && (header & 31) >= 1 && (header & 31) <= 21 ? SOURCE_FORMAT_ANNEXB : SOURCE_FORMAT_OPEN;
}

source_format source_format_of(const uint8_t *bytes, size_t bytes_count) {
  if (known_text(bytes, bytes_count) != NULL) return SOURCE_FORMAT_OTHER;
  const source_format format = of_first_bytes(bytes, bytes_count);
  if (format != SOURCE_FORMAT_OPEN) return format;
  if (is_ts_from(bytes, bytes_count, 0, 2)) return SOURCE_FORMAT_TS;
  for (size_t at = 1; at < bytes_count; at++) {
    if (is_ts_from(bytes, bytes_count, at, SYNCS_COUNT)) return SOURCE_FORMAT_TS;
  }
  /* There are start codes in a transport stream, too: it would have been seen by now. */
  for (size_t at = 1; at + (SYNCS_COUNT + 1) * TS_PACKET_BYTES < bytes_count; at++) {
    if (is_annexb_from(bytes, bytes_count, at)) return SOURCE_FORMAT_ANNEXB;
  }
  return bytes_count < SOURCE_FORMAT_BYTES_MAX ? SOURCE_FORMAT_OPEN : SOURCE_FORMAT_OTHER;
}

#define SHOWN_BYTES_MAX 16u
#define SHOWN_CHARS_MAX 60u

void source_format_describe(const uint8_t *bytes, size_t bytes_count, char *text, size_t text_bytes) {
  const char *format = known_text(bytes, bytes_count);
  if (format != NULL) {
    snprintf(text, text_bytes, "it is %s", format);
    return;
  }
  size_t chars = 0;
  while (chars < bytes_count && chars < SHOWN_CHARS_MAX && isprint(bytes[chars])) chars++;
  if (chars > 3 && (chars == bytes_count || chars == SHOWN_CHARS_MAX || isspace(bytes[chars]))) {
    snprintf(text, text_bytes, "it begins with the text \"%.*s\"", (int)chars, (const char *)bytes);
    return;
  }
  size_t length = (size_t)snprintf(text, text_bytes, "it begins with");
  for (size_t i = 0; i < bytes_count && i < SHOWN_BYTES_MAX && length < text_bytes; i++)
    length += (size_t)snprintf(text + length, text_bytes - length, " %02x", bytes[i]);
}
