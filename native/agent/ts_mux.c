/* The transport stream of one H.264 stream: ISO/IEC 13818-1 (the clauses named below), live. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "telebridge.h"
#include "ts_layout.h"

#define CLOCK_HZ 90000u
/* By how much a unit's time lies ahead of the clock in its own first packet: the reader's time to take it in and to
 * decode. Real-time readers show at once whatever it is; a television buffers as long. */
#define AHEAD_TICKS (CLOCK_HZ / 10)
/* 2.4.4: a reader that comes late waits as long for the tables. They cost 30 kbit/s. */
#define TABLES_EVERY_TICKS (CLOCK_HZ / 10)
/* 2.4.3.7: PES_packet_length may be 0, "as long as it takes", for video. Where the length fits its 16 bits it is told,
 * and then readers (FFmpeg, go2rtc) have the unit with its last packet and not with the next unit's first. */
#define PES_LENGTH_MAX 0xFFFFu
#define PES_HEADER_BYTES 14u       /* with one time */
#define PES_BYTES_BEFORE_LENGTH 6u /* not counted in it */
#define CLOCK_FIELD_BYTES 8u       /* an adaptation field's length, its flags, and the clock */

/* 2.14.1: "each AVC access unit shall contain an access unit delimiter". Any kind of slice. */
static const uint8_t delimiter[] = {0, 0, 0, 1, 9, 0xF0};

struct tele_ts_mux {
  uint8_t pat_counter, pmt_counter, video_counter; /* 4 bits each */
  bool is_started;
  uint64_t last_ticks;   /* of the last unit */
  uint64_t tables_ticks; /* of the unit that the tables were last in front of */
  uint8_t pat[TS_PACKET_BYTES], pmt[TS_PACKET_BYTES];
};

/* Annex A: polynomial 0x04C11DB7, from all ones, not inverted. */
static uint32_t crc32_of(const uint8_t *bytes, size_t bytes_count) {
  uint32_t crc = UINT32_MAX;
  for (size_t index = 0; index < bytes_count; index++) {
    crc ^= (uint32_t)bytes[index] << 24;
    for (int bit = 0; bit < 8; bit++) crc = crc << 1 ^ (crc >> 31 ? 0x04C11DB7u : 0);
  }
  return crc;
}

/* A packet's first four bytes (2.4.3.2), its counter counted on. */
static void put_header(uint8_t *packet, uint16_t pid, bool starts_unit, uint8_t fields, uint8_t *counter) {
  packet[0] = TS_SYNC;
  packet[1] = (uint8_t)((starts_unit ? 0x40 : 0) | pid >> 8);
  packet[2] = (uint8_t)pid;
  packet[3] = (uint8_t)(fields | *counter);
  *counter = (*counter + 1) & 0xF;
}

/* A packet that is one table (2.4.4): its header is written each time, for the counter in it. */
static void make_table(uint8_t *packet, const uint8_t *section, size_t section_bytes) {
  memset(packet, 0xFF, TS_PACKET_BYTES);
  packet[TS_HEADER_BYTES] = 0; /* pointer_field: the section follows at once */
  uint8_t *at = packet + TS_HEADER_BYTES + 1;
  memcpy(at, section, section_bytes);
  const uint32_t crc = crc32_of(section, section_bytes);
  for (int byte = 0; byte < 4; byte++) at[section_bytes + byte] = (uint8_t)(crc >> (24 - 8 * byte));
}

int tele_ts_mux_open(tele_ts_mux **made) {
  tele_ts_mux *mux = calloc(1, sizeof *mux);
  if (mux == NULL) return error_set(ENOMEM, "cannot open a transport stream: out of memory");
  /* Table 0, 13 bytes behind the length, stream 1, version 0, section 0 of 0: program 1 is at TS_PID_PMT. */
  const uint8_t pat[] = {0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0 | TS_PID_PMT >> 8, TS_PID_PMT & 0xFF};
  /* Table 2, 18 bytes, program 1: the clock is in the video, no descriptors, one stream of H.264. */
  const uint8_t pmt[] = {2,
                         0xB0,
                         18,
                         0,
                         1,
                         0xC1,
                         0,
                         0,
                         0xE0 | TS_PID_VIDEO >> 8,
                         TS_PID_VIDEO & 0xFF,
                         0xF0,
                         0,
                         TS_STREAM_H264,
                         0xE0 | TS_PID_VIDEO >> 8,
                         TS_PID_VIDEO & 0xFF,
                         0xF0,
                         0};
  make_table(mux->pat, pat, sizeof pat);
  make_table(mux->pmt, pmt, sizeof pmt);
  *made = mux;
  return 0;
}

void tele_ts_mux_close(tele_ts_mux *mux) { free(mux); }

static uint8_t *put_tables(tele_ts_mux *mux, uint8_t *out) {
  put_header(mux->pat, TS_PID_PAT, true, TS_HAS_PAYLOAD, &mux->pat_counter);
  put_header(mux->pmt, TS_PID_PMT, true, TS_HAS_PAYLOAD, &mux->pmt_counter);
  memcpy(out, mux->pat, TS_PACKET_BYTES);
  memcpy(out + TS_PACKET_BYTES, mux->pmt, TS_PACKET_BYTES);
  return out + 2 * TS_PACKET_BYTES;
}

/* The adaptation field in front of a unit (2.4.3.4): where decoding may begin, and the clock, whose extension of 27 MHz
 * is 0. */
static void put_clock(uint8_t *field, bool is_keyframe, uint64_t ticks) {
  const uint64_t clock = ticks - AHEAD_TICKS; /* modulo 2^33, as all times */
  field[0] = CLOCK_FIELD_BYTES - 1;
  field[1] = (uint8_t)((is_keyframe ? 0x40 : 0) | 0x10);
  for (int byte = 0; byte < 4; byte++) field[2 + byte] = (uint8_t)(clock >> (25 - 8 * byte));
  field[6] = (uint8_t)(clock << 7 | 0x7E);
  field[7] = 0;
}

/* 2.4.3.6. Decoded in the order in which they are shown, units have one time. */
static void put_pes_header(uint8_t *header, uint64_t unit_bytes, uint64_t ticks) {
  const uint64_t length = unit_bytes + PES_HEADER_BYTES - PES_BYTES_BEFORE_LENGTH;
  const uint64_t told = length > PES_LENGTH_MAX ? 0 : length;
  const uint8_t bytes[PES_HEADER_BYTES] = {
      0,
      0,
      1,
      0xE0,
      (uint8_t)(told >> 8),
      (uint8_t)told,
      0x84,
      0x80,
      5, /* a unit begins here; a time follows, of 5 bytes: 3 + 15 + 15 bits, with marks */
      (uint8_t)(0x21 | (ticks >> 29 & 0xE)),
      (uint8_t)(ticks >> 22),
      (uint8_t)(ticks >> 14 | 1),
      (uint8_t)(ticks >> 7),
      (uint8_t)(ticks << 1 | 1)};
  memcpy(header, bytes, sizeof bytes);
}

/* What a unit's packets carry, one piece behind the other. */
typedef struct payload {
  struct {
    const uint8_t *bytes;
    uint64_t bytes_count;
  } pieces[3];
  unsigned piece;
} payload;

static void take_payload(payload *from, uint8_t *to, uint64_t bytes_count) {
  while (bytes_count > 0) {
    uint64_t *left = &from->pieces[from->piece].bytes_count;
    const uint64_t taken = *left < bytes_count ? *left : bytes_count;
    memcpy(to, from->pieces[from->piece].bytes, taken);
    from->pieces[from->piece].bytes += taken;
    to += taken, bytes_count -= taken;
    if ((*left -= taken) == 0) from->piece++;
  }
}

/* Makes an adaptation field, of which `used` bytes are written, as long as the room that no payload is for. */
static void stuff(uint8_t *field, uint64_t used, uint64_t field_bytes) {
  if (field_bytes == used) return;
  field[0] = (uint8_t)(field_bytes - 1);
  if (used == 0) {
    used = 1;
    if (field_bytes > 1) field[used++] = 0; /* flags */
  }
  memset(field + used, 0xFF, field_bytes - used);
}

static uint8_t *put_unit(tele_ts_mux *mux, payload *unit, uint64_t bytes_left, bool is_keyframe, uint64_t ticks,
                         uint8_t *out) {
  for (bool is_first = true; bytes_left > 0; is_first = false) {
    const uint64_t used = is_first ? CLOCK_FIELD_BYTES : 0;
    const uint64_t room = TS_PACKET_BYTES - TS_HEADER_BYTES - used;
    const uint64_t taken = bytes_left < room ? bytes_left : room;
    const uint64_t field_bytes = TS_PACKET_BYTES - TS_HEADER_BYTES - taken;
    put_header(out, TS_PID_VIDEO, is_first, TS_HAS_PAYLOAD | (field_bytes > 0 ? TS_HAS_ADAPTATION : 0),
               &mux->video_counter);
    uint8_t *field = out + TS_HEADER_BYTES;
    if (is_first) put_clock(field, is_keyframe, ticks);
    stuff(field, used, field_bytes);
    take_payload(unit, field + field_bytes, taken);
    bytes_left -= taken;
    out += TS_PACKET_BYTES;
  }
  return out;
}

static bool has_delimiter(const uint8_t *unit, uint64_t unit_bytes) {
  const uint64_t zeros = unit_bytes > 3 && unit[2] == 0 ? 3 : 2;
  return unit_bytes > zeros + 1 && (unit[zeros + 1] & 31) == 9;
}

int tele_ts_mux_pack(tele_ts_mux *mux, const void *unit, uint64_t unit_bytes, uint32_t flags, uint64_t time_ns,
                     void *ts, uint64_t ts_bytes_max, uint64_t *ts_bytes) {
  static const uint8_t start_code[] = {0, 0, 1};
  const uint8_t *bytes = unit;
  if (unit_bytes < 4 || memcmp(bytes + (bytes[2] == 0), start_code, sizeof start_code) != 0)
    return error_set(EINVAL, "cannot pack an access unit of %llu bytes: it does not begin with a start code (00 00 01)",
                     (unsigned long long)unit_bytes);
  *ts_bytes = TELE_TS_BYTES_MAX(unit_bytes);
  if (ts_bytes_max < *ts_bytes)
    return error_set(ENOBUFS, "cannot pack an access unit of %llu bytes: it needs %llu bytes, the buffer has %llu",
                     (unsigned long long)unit_bytes, (unsigned long long)*ts_bytes, (unsigned long long)ts_bytes_max);

  uint64_t ticks = time_ns / 100000 * 9 + (time_ns % 100000 * 9 + 50000) / 100000; /* in two parts: no overflow */
  if (mux->is_started && ticks <= mux->last_ticks) ticks = mux->last_ticks + 1;
  const bool is_keyframe = flags & TELE_FRAME_KEYFRAME;
  uint8_t *out = ts;
  if (!mux->is_started || is_keyframe || ticks - mux->tables_ticks >= TABLES_EVERY_TICKS) {
    out = put_tables(mux, out);
    mux->tables_ticks = ticks;
  }
  mux->is_started = true;
  mux->last_ticks = ticks;

  const uint64_t delimiter_bytes = has_delimiter(bytes, unit_bytes) ? 0 : sizeof delimiter;
  uint8_t header[PES_HEADER_BYTES];
  put_pes_header(header, delimiter_bytes + unit_bytes, ticks);
  payload payload = {{{header, sizeof header}, {delimiter, delimiter_bytes}, {bytes, unit_bytes}}, 0};
  out = put_unit(mux, &payload, sizeof header + delimiter_bytes + unit_bytes, is_keyframe, ticks, out);
  *ts_bytes = (uint64_t)(out - (uint8_t *)ts);
  return 0;
}
