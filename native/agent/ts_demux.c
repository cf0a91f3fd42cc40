#include "ts_demux.h"

#include <stdio.h>
#include <string.h>

#define NO_PID 0x2000u /* one more than there are */
#define PES_HEADER_BYTES 9u

void ts_demux_init(ts_demux *demux, ts_sink sink) {
  *demux = (ts_demux){.sink = sink, .pmt_pid = NO_PID, .video_pid = NO_PID, .counter = -1};
}

bool ts_demux_has_video(const ts_demux *demux) { return demux->video_pid != NO_PID; }

static uint32_t pid_at(const uint8_t *bytes) { return (bytes[0] & 0x1Fu) << 8 | bytes[1]; }

/* ---- Tables (2.4.4) ---------------------------------------------------------------------------- */

#define SECTION_HEADER_BYTES 8u
#define SECTION_CRC_BYTES 4u

static void read_pat(ts_demux *demux, const uint8_t *section, size_t section_bytes) {
  if (section[0] != 0) return;
  for (size_t at = SECTION_HEADER_BYTES; at + 4 + SECTION_CRC_BYTES <= section_bytes; at += 4) {
    if ((section[at] | section[at + 1]) == 0) continue; /* of the network */
    demux->pmt_pid = pid_at(section + at + 2);
    return;
  }
}

static void read_pmt(ts_demux *demux, const uint8_t *section, size_t section_bytes) {
  if (section[0] != 2 || section_bytes < SECTION_HEADER_BYTES + 4 + SECTION_CRC_BYTES) return;
  size_t at = SECTION_HEADER_BYTES + 4 + ((section[10] & 15u) << 8 | section[11]);
  uint32_t video_pid = NO_PID;
  demux->other_types_count = 0;
  for (; at + 5 + SECTION_CRC_BYTES <= section_bytes; at += 5 + ((section[at + 3] & 15u) << 8 | section[at + 4])) {
    if (section[at] == TS_STREAM_H264 && video_pid == NO_PID) video_pid = pid_at(section + at + 1);
    if (section[at] != TS_STREAM_H264 && demux->other_types_count < TS_OTHER_TYPES_MAX)
      demux->other_types[demux->other_types_count++] = section[at];
  }
  if (video_pid == demux->video_pid) return;
  demux->video_pid = video_pid;
  demux->counter = -1;
  demux->is_open = false;
}

/* Collects a table, and reads it when it is whole. */
static void add_section(ts_demux *demux, ts_section *section, const uint8_t *bytes, size_t bytes_count, bool begins,
                        void (*read)(ts_demux *, const uint8_t *, size_t)) {
  if (begins) {
    /* What belongs to the table before was its end, which had no room for this one's beginning. */
    if (bytes_count == 0 || bytes[0] + 1u > bytes_count) return;
    bytes_count -= bytes[0] + 1u;
    bytes += bytes[0] + 1u;
    section->bytes_count = 0;
    section->is_begun = true;
  }
  if (!section->is_begun) return;
  const size_t room = TS_SECTION_BYTES_MAX - section->bytes_count;
  const size_t taken = bytes_count < room ? bytes_count : room;
  memcpy(section->bytes + section->bytes_count, bytes, taken);
  section->bytes_count += taken;
  if (section->bytes_count < 3) return;
  const size_t length = 3 + ((section->bytes[1] & 15u) << 8 | section->bytes[2]);
  if (length > TS_SECTION_BYTES_MAX || length < SECTION_HEADER_BYTES + SECTION_CRC_BYTES) {
    section->is_begun = false;
  } else if (section->bytes_count >= length) {
    section->is_begun = false;
    read(demux, section->bytes, length);
  }
}

/* ---- The elementary stream ---------------------------------------------------------------------- */

static int lose(ts_demux *demux) {
  demux->is_open = false;
  demux->counter = -1;
  return demux->sink.lost(demux->sink.context);
}

/* Where the packet is video's, of stream id 0xE0 to 0xEF, and has the usual header: the rest of it is skipped. */
static void read_pes_header(ts_demux *demux) {
  const uint8_t *header = demux->header;
  const bool is_video = header[0] == 0 && header[1] == 0 && header[2] == 1 && (header[3] & 0xF0) == 0xE0;
  if (!is_video || (header[6] & 0xC0) != 0x80) {
    demux->is_open = false;
    return;
  }
  const uint32_t length = (uint32_t)header[4] << 8 | header[5];
  demux->skipped = header[8];
  demux->is_told = length >= 3u + demux->skipped;
  demux->bytes_left = demux->is_told ? length - 3u - demux->skipped : 0;
}

static int end_unit(ts_demux *demux) { return demux->sink.unit_ended(demux->sink.context); }

/* `ends`: the last bytes of a packet of the elementary stream, as far as can be told. */
static int add_video(ts_demux *demux, const uint8_t *bytes, size_t bytes_count, bool begins, bool ends) {
  if (begins) {
    demux->is_open = true;
    demux->header_count = 0;
  }
  if (!demux->is_open) return 0;
  while (bytes_count > 0 && demux->header_count < PES_HEADER_BYTES) {
    demux->header[demux->header_count++] = *bytes++;
    bytes_count--;
    if (demux->header_count == PES_HEADER_BYTES) read_pes_header(demux);
  }
  if (!demux->is_open || demux->header_count < PES_HEADER_BYTES) return 0;
  const size_t skipped = demux->skipped < bytes_count ? demux->skipped : bytes_count;
  demux->skipped -= skipped;
  bytes += skipped, bytes_count -= skipped;
  if (demux->is_told && bytes_count > demux->bytes_left) bytes_count = (size_t)demux->bytes_left;
  if (bytes_count > 0) {
    const int result = demux->sink.bytes(demux->sink.context, bytes, bytes_count);
    if (result < 0) return result;
  }
  if (!demux->is_told) return ends ? end_unit(demux) : 0;
  demux->bytes_left -= bytes_count;
  if (demux->skipped > 0 || demux->bytes_left > 0) return 0;
  demux->is_open = false;
  return end_unit(demux);
}

/* ---- Packets (2.4.3.2) -------------------------------------------------------------------------- */

/* Whether there is more of the adaptation field (2.4.3.4) than its contents take. Only the last bytes of a packet of
 * the elementary stream leave room for that. */
static bool has_stuffing(const uint8_t *field, size_t field_bytes) {
  if (field_bytes < 2) return field_bytes == 1;
  const uint8_t flags = field[1];
  size_t used = 2 + (flags & 0x10 ? 6 : 0) + (flags & 8 ? 6 : 0) + (flags & 4 ? 1 : 0);
  if (flags & 2) used += used < field_bytes ? 1u + field[used] : 1u;
  if (flags & 1) used += used < field_bytes ? 1u + field[used] : 1u;
  return used < field_bytes;
}

/* The counter goes on by one with each packet that has a payload. 1: it is the one before, which may come twice. */
static int check_counter(ts_demux *demux, int counter) {
  const int expected = demux->counter;
  if (expected >= 0 && counter == ((expected + 15) & 15)) return 1;
  const bool follows = expected < 0 || counter == expected;
  const int result = follows ? 0 : lose(demux);
  demux->counter = (counter + 1) & 15;
  return result < 0 ? result : 0;
}

static int read_video_packet(ts_demux *demux, const uint8_t *packet, size_t field_bytes) {
  const uint8_t *field = packet + TS_HEADER_BYTES;
  /* 2.4.3.5: a discontinuity is announced, as at the seam of two streams. */
  if (field_bytes > 1 && (field[1] & 0x80) != 0) demux->counter = -1;
  const int checked = check_counter(demux, packet[3] & 15);
  if (checked != 0) return checked < 0 ? checked : 0;
  if ((packet[3] & 0xC0) != 0) return lose(demux); /* scrambled */
  const size_t payload_bytes = TS_PACKET_BYTES - TS_HEADER_BYTES - field_bytes;
  return add_video(demux, field + field_bytes, payload_bytes, (packet[1] & 0x40) != 0,
                   has_stuffing(field, field_bytes));
}

static int read_packet(ts_demux *demux) {
  const uint8_t *packet = demux->packet;
  const uint32_t pid = pid_at(packet + 1);
  if ((packet[1] & 0x80) != 0) return pid == demux->video_pid ? lose(demux) : 0; /* damaged, and says so */
  if ((packet[3] & TS_HAS_PAYLOAD) == 0) return 0;
  const size_t field_bytes = (packet[3] & TS_HAS_ADAPTATION) != 0 ? packet[TS_HEADER_BYTES] + 1u : 0;
  if (field_bytes > TS_PACKET_BYTES - TS_HEADER_BYTES) return 0;
  if (pid == demux->video_pid) return read_video_packet(demux, packet, field_bytes);
  const uint8_t *payload = packet + TS_HEADER_BYTES + field_bytes;
  const size_t payload_bytes = TS_PACKET_BYTES - TS_HEADER_BYTES - field_bytes;
  const bool begins = (packet[1] & 0x40) != 0;
  if (pid == TS_PID_PAT) add_section(demux, &demux->pat, payload, payload_bytes, begins, read_pat);
  if (pid == demux->pmt_pid) add_section(demux, &demux->pmt, payload, payload_bytes, begins, read_pmt);
  return 0;
}

/* Drops what lies in front of the next byte that may be a packet's first. */
static int search(ts_demux *demux) {
  const uint8_t *found = memchr(demux->packet + 1, TS_SYNC, demux->packet_count - 1);
  const size_t dropped = found == NULL ? demux->packet_count : (size_t)(found - demux->packet);
  demux->packet_count -= dropped;
  memmove(demux->packet, demux->packet + dropped, demux->packet_count);
  if (!demux->is_synced) return 0;
  demux->is_synced = false;
  return lose(demux);
}

int ts_demux_push(ts_demux *demux, const uint8_t *bytes, size_t bytes_count) {
  while (bytes_count > 0) {
    /* Out of step one packet is believed when the next one begins where it should. */
    const size_t wanted = demux->is_synced ? TS_PACKET_BYTES : TS_PACKET_BYTES + 1;
    const size_t missing = wanted - demux->packet_count;
    const size_t taken = bytes_count < missing ? bytes_count : missing;
    memcpy(demux->packet + demux->packet_count, bytes, taken);
    demux->packet_count += taken;
    bytes += taken, bytes_count -= taken;
    int result = 0;
    if (demux->packet[0] != TS_SYNC ||
        (demux->packet_count > TS_PACKET_BYTES && demux->packet[TS_PACKET_BYTES] != TS_SYNC)) {
      result = search(demux);
    } else if (demux->packet_count == wanted) {
      demux->packet_count -= TS_PACKET_BYTES;
      result = read_packet(demux);
      demux->is_synced = true;
      demux->packet[0] = TS_SYNC; /* all that can be left */
    }
    if (result < 0) return result;
  }
  return 0;
}

void ts_demux_describe(const ts_demux *demux, char *text, size_t text_bytes) {
  static const struct {
    uint8_t type;
    const char *name;
  } known[] = {{0x01, "MPEG-1 video"}, {0x02, "MPEG-2 video"}, {0x03, "MPEG audio"},   {0x04, "MPEG audio"},
               {0x06, "private data"}, {0x0F, "AAC"},          {0x10, "MPEG-4 video"}, {0x24, "HEVC"}};
  size_t length = (size_t)snprintf(text, text_bytes, "%s", demux->other_types_count == 0 ? "nothing" : "");
  for (size_t i = 0; i < demux->other_types_count && length < text_bytes; i++) {
    char number[24];
    snprintf(number, sizeof number, "type 0x%02X", demux->other_types[i]);
    const char *name = number;
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
      if (known[k].type == demux->other_types[i]) name = known[k].name;
    }
    length += (size_t)snprintf(text + length, text_bytes - length, "%s%s", i == 0 ? "" : ", ", name);
  }
}
