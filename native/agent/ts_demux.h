/*
 * The H.264 of a transport stream (ISO/IEC 13818-1): of its first program, the first stream of that type. Whatever it
 * is given, it keeps one packet, two tables and a header, and nothing more.
 *
 * Tables' checksums are not looked at: streams come through a pipe here, and not through the air.
 */
#ifndef TS_DEMUX_H
#define TS_DEMUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ts_layout.h"

/* Where the video goes. A negative result ends ts_demux_push() with it. */
typedef struct ts_sink {
  void *context;
  int (*bytes)(void *context, const uint8_t *bytes, size_t bytes_count);
  int (*unit_ended)(void *context); /* a packet of the elementary stream did: one access unit, as everybody muxes */
  int (*lost)(void *context);       /* what comes does not follow what came */
} ts_sink;

#define TS_SECTION_BYTES_MAX 1024u
#define TS_OTHER_TYPES_MAX 16u

/* A table that comes in pieces (2.4.4). */
typedef struct ts_section {
  uint8_t bytes[TS_SECTION_BYTES_MAX];
  size_t bytes_count;
  bool is_begun;
} ts_section;

typedef struct ts_demux {
  ts_sink sink;
  uint8_t packet[TS_PACKET_BYTES + 1]; /* and the first byte of the next */
  size_t packet_count;
  bool is_synced;
  uint32_t pmt_pid, video_pid;
  int counter; /* the video's, that comes next; -1 = any */
  ts_section pat, pmt;
  /* Of the packet of the elementary stream (2.4.3.6). */
  uint8_t header[9];
  size_t header_count;
  size_t skipped;      /* of its header, still to come */
  uint64_t bytes_left; /* where its length is told */
  bool is_open, is_told;
  /* For people, where there is no H.264: the types of the streams that there are. */
  uint8_t other_types[TS_OTHER_TYPES_MAX];
  size_t other_types_count;
} ts_demux;

void ts_demux_init(ts_demux *demux, ts_sink sink);

/* 0, or what the sink returned. */
int ts_demux_push(ts_demux *demux, const uint8_t *bytes, size_t bytes_count);

/* Whether the tables have told where the H.264 is. */
bool ts_demux_has_video(const ts_demux *demux);

/* The streams that it has instead: "AAC, HEVC", or "nothing". */
void ts_demux_describe(const ts_demux *demux, char *text, size_t text_bytes);

#endif
