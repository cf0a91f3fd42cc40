/* The transport stream, taken apart as ISO/IEC 13818-1 says, by a reader that forgives nothing. */
#include <stdlib.h>

#include "harness.h"
#include "ts_layout.h"

#define TICKS_PER_S 90000u
#define UNIT_BYTES_MAX 200000u
#define AUD_BYTES 6u

/* What one call packed. */
typedef struct unpacked {
  unsigned tables;
  bool is_random_access;
  uint64_t ticks, clock; /* its time, and the clock's in front of it */
  uint64_t length_told;  /* PES_packet_length */
  uint8_t *unit;         /* with the delimiter */
  uint64_t unit_bytes;
} unpacked;

static int counters[1 << 13];

static void open_mux(tele_ts_mux **mux) {
  for (size_t pid = 0; pid < sizeof counters / sizeof *counters; pid++) counters[pid] = -1;
  CHECK_EQ(tele_ts_mux_open(mux), 0);
}

static uint32_t crc32_of(const uint8_t *bytes, size_t bytes_count) {
  uint32_t crc = UINT32_MAX;
  for (size_t bit = 0; bit < bytes_count * 8; bit++) {
    const uint32_t next = bytes[bit / 8] >> (7 - bit % 8) & 1;
    crc = crc << 1 ^ ((crc >> 31 ^ next) ? 0x04C11DB7u : 0);
  }
  return crc;
}

static void check_table(const uint8_t *section, uint8_t table_id) {
  CHECK_EQ(section[0], table_id);
  const size_t bytes = 3 + ((section[1] & 0xF) << 8 | section[2]);
  CHECK_EQ(crc32_of(section, bytes), 0); /* over the CRC itself too */
  for (size_t at = bytes; at < TS_PACKET_BYTES - TS_HEADER_BYTES - 1; at++) CHECK_EQ(section[at], 0xFF);
}

static uint64_t time_at(const uint8_t *bytes) {
  CHECK_EQ(bytes[0] >> 4, 2);
  CHECK(bytes[0] & bytes[2] & bytes[4] & 1);
  return (uint64_t)(bytes[0] >> 1 & 7) << 30 | (uint64_t)bytes[1] << 22 | (uint64_t)(bytes[2] >> 1) << 15 |
         (uint64_t)bytes[3] << 7 | bytes[4] >> 1;
}

static void take_video(const uint8_t *packet, unpacked *out) {
  const bool starts = packet[1] & 0x40;
  CHECK_EQ(starts, out->unit_bytes == 0);
  const uint8_t *at = packet + TS_HEADER_BYTES;
  if (packet[3] & TS_HAS_ADAPTATION) {
    CHECK(at[0] <= 182); /* what go2rtc takes */
    if (starts) {
      CHECK_EQ(at[1] & 0x10, 0x10);
      out->is_random_access = at[1] & 0x40;
      out->clock = (uint64_t)at[2] << 25 | at[3] << 17 | at[4] << 9 | at[5] << 1 | at[6] >> 7;
    } else if (at[0] > 0) {
      CHECK_EQ(at[1], 0);
    }
    for (int stuffing = starts ? 8 : 2; stuffing <= at[0]; stuffing++) CHECK_EQ(at[stuffing], 0xFF);
    at += 1 + at[0];
  }
  if (starts) {
    const uint8_t head[] = {0, 0, 1, 0xE0};
    CHECK_EQ(memcmp(at, head, sizeof head), 0);
    out->length_told = at[4] << 8 | at[5];
    CHECK_EQ(at[7], 0x80);
    CHECK_EQ(at[8], 5);
    out->ticks = time_at(at + 9);
    at += 14;
  }
  const size_t bytes = (size_t)(packet + TS_PACKET_BYTES - at);
  memcpy(out->unit + out->unit_bytes, at, bytes);
  out->unit_bytes += bytes;
}

static unpacked unpack(const uint8_t *ts, uint64_t ts_bytes) {
  static uint8_t unit[UNIT_BYTES_MAX + AUD_BYTES];
  unpacked out = {.unit = unit};
  CHECK_EQ(ts_bytes % TS_PACKET_BYTES, 0);
  for (const uint8_t *packet = ts; packet < ts + ts_bytes; packet += TS_PACKET_BYTES) {
    CHECK_EQ(packet[0], TS_SYNC);
    CHECK(packet[3] & TS_HAS_PAYLOAD);
    const unsigned pid = (packet[1] & 0x1F) << 8 | packet[2];
    if (counters[pid] >= 0) CHECK_EQ(packet[3] & 0xF, (counters[pid] + 1) % 16);
    counters[pid] = packet[3] & 0xF;
    if (pid == TS_PID_VIDEO) {
      take_video(packet, &out);
    } else {
      CHECK_EQ(out.unit_bytes, 0); /* tables stand in front */
      CHECK_EQ(pid, out.tables == 0 ? TS_PID_PAT : TS_PID_PMT);
      check_table(packet + TS_HEADER_BYTES + 1, out.tables++ == 0 ? 0 : 2);
    }
  }
  return out;
}

static unpacked pack(tele_ts_mux *mux, const uint8_t *unit, uint64_t unit_bytes, uint32_t flags, uint64_t time_ns) {
  static uint8_t ts[TELE_TS_BYTES_MAX(UNIT_BYTES_MAX)];
  uint64_t ts_bytes;
  CHECK_EQ(tele_ts_mux_pack(mux, unit, unit_bytes, flags, time_ns, ts, TELE_TS_BYTES_MAX(unit_bytes), &ts_bytes), 0);
  CHECK(ts_bytes <= TELE_TS_BYTES_MAX(unit_bytes));
  return unpack(ts, ts_bytes);
}

static const uint8_t slice[] = {0, 0, 1, 0x41, 0x9A};

static void units_of_every_size(void) {
  tele_ts_mux *mux;
  open_mux(&mux);
  uint8_t *unit = malloc(UNIT_BYTES_MAX);
  uint64_t seed = 7;
  for (uint64_t number = 0; number < 1500; number++) {
    /* Every small size, so that every kind of last packet is met; then some large ones. */
    const uint64_t bytes = number < 1200 ? sizeof slice + number : random_next(&seed) % (UNIT_BYTES_MAX - 4) + 4;
    for (uint64_t at = 0; at < bytes; at++) unit[at] = (uint8_t)random_next(&seed);
    memcpy(unit, slice, bytes < sizeof slice ? 4 : sizeof slice);
    const uint64_t time_ns = 1000000000 + number * 40000000;
    const unpacked got = pack(mux, unit, bytes, number % 10 == 0 ? TELE_FRAME_KEYFRAME : 0, time_ns);
    CHECK_EQ(got.unit_bytes, AUD_BYTES + bytes);
    CHECK_EQ(memcmp(got.unit + AUD_BYTES, unit, bytes), 0);
    CHECK_EQ(got.unit[4], 9);
    CHECK_EQ(got.is_random_access, number % 10 == 0);
    CHECK_EQ(got.ticks, TICKS_PER_S + number * 3600);
    CHECK_EQ(got.ticks - got.clock, TICKS_PER_S / 10);
    const uint64_t length = got.unit_bytes + 8;
    CHECK_EQ(got.length_told, length <= UINT16_MAX ? length : 0);
  }
  free(unit);
  tele_ts_mux_close(mux);
}

static void tables_come_again(void) {
  tele_ts_mux *mux;
  open_mux(&mux);
  const uint64_t ms = 1000000;
  CHECK_EQ(pack(mux, slice, sizeof slice, 0, 0).tables, 2);
  CHECK_EQ(pack(mux, slice, sizeof slice, 0, 60 * ms).tables, 0);
  CHECK_EQ(pack(mux, slice, sizeof slice, 0, 100 * ms).tables, 2);
  CHECK_EQ(pack(mux, slice, sizeof slice, 0, 130 * ms).tables, 0);
  CHECK_EQ(pack(mux, slice, sizeof slice, TELE_FRAME_KEYFRAME, 140 * ms).tables, 2);
  tele_ts_mux_close(mux);
}

static void times_rise_and_wrap(void) {
  tele_ts_mux *mux;
  open_mux(&mux);
  const uint64_t late_ns = (1ull << 33) / 9 * 100000; /* just before 33 bits are full */
  const uint64_t first = pack(mux, slice, sizeof slice, 0, late_ns).ticks;
  CHECK_EQ(first >> 32, 1);
  CHECK_EQ(pack(mux, slice, sizeof slice, 0, late_ns).ticks, first + 1);
  CHECK_EQ(pack(mux, slice, sizeof slice, 0, late_ns - 1000).ticks, first + 2);
  const unpacked wrapped = pack(mux, slice, sizeof slice, 0, late_ns + 40000000);
  CHECK(wrapped.ticks < 3600);
  CHECK_EQ(wrapped.clock, (wrapped.ticks - TICKS_PER_S / 10) & ((1ull << 33) - 1));
  tele_ts_mux_close(mux);
}

static void a_delimiter_is_not_doubled(void) {
  tele_ts_mux *mux;
  open_mux(&mux);
  const uint8_t with_3[] = {0, 0, 1, 9, 0x10, 0, 0, 1, 0x41}, with_4[] = {0, 0, 0, 1, 9, 0x10, 0, 0, 1, 0x41};
  CHECK_EQ(pack(mux, with_3, sizeof with_3, 0, 0).unit_bytes, sizeof with_3);
  CHECK_EQ(pack(mux, with_4, sizeof with_4, 0, 40000000).unit_bytes, sizeof with_4);
  tele_ts_mux_close(mux);
}

static void refusals_leave_no_trace(void) {
  tele_ts_mux *mux;
  open_mux(&mux);
  uint8_t ts[TELE_TS_BYTES_MAX(sizeof slice)];
  uint64_t ts_bytes;
  pack(mux, slice, sizeof slice, 0, 0);
  CHECK_EQ(tele_ts_mux_pack(mux, slice, sizeof slice, 0, 1, ts, sizeof ts - 1, &ts_bytes), -ENOBUFS);
  CHECK_EQ(ts_bytes, sizeof ts);
  const uint8_t length_prefixed[] = {0, 0, 0, 2, 0x41, 0x9A};
  CHECK_EQ(tele_ts_mux_pack(mux, length_prefixed, sizeof length_prefixed, 0, 1, ts, sizeof ts, &ts_bytes), -EINVAL);
  CHECK_MESSAGE("start code");
  CHECK_EQ(tele_ts_mux_pack(mux, slice, 3, 0, 1, ts, sizeof ts, &ts_bytes), -EINVAL);
  CHECK_EQ(pack(mux, slice, sizeof slice, 0, 1000000000).ticks, TICKS_PER_S); /* counters go on too */
  tele_ts_mux_close(mux);
}

static const test tests[] = {
    {"units of every size come back", units_of_every_size}, {"tables come again", tables_come_again},
    {"times rise, and wrap", times_rise_and_wrap},          {"a delimiter is not doubled", a_delimiter_is_not_doubled},
    {"refusals leave no trace", refusals_leave_no_trace},
};
SUITE(ts_mux, tests);
