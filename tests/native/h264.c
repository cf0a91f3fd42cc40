#include "h264.h"

#include "harness.h"

/* The bits of a NAL unit without its emulation prevention bytes. */
typedef struct bit_reader {
  uint8_t bytes[256];
  uint32_t bytes_count;
  uint32_t position; /* bits */
} bit_reader;

static bit_reader read_nal(const uint8_t *nal, size_t nal_bytes) {
  bit_reader reader = {.position = 8};
  uint32_t zeros = 0;
  for (size_t i = 0; i < nal_bytes && reader.bytes_count < sizeof reader.bytes; i++) {
    bool prevention = zeros >= 2 && nal[i] == 3;
    zeros = nal[i] == 0 ? zeros + 1 : 0;
    if (!prevention) reader.bytes[reader.bytes_count++] = nal[i];
  }
  return reader;
}

static uint32_t bits(bit_reader *reader, uint32_t count) {
  uint32_t value = 0;
  for (; count > 0; count--, reader->position++) {
    CHECK(reader->position / 8 < reader->bytes_count);
    value = value << 1 | (reader->bytes[reader->position / 8] >> (7 - reader->position % 8) & 1u);
  }
  return value;
}

static uint32_t exp_golomb(bit_reader *reader) {
  uint32_t zeros = 0;
  while (bits(reader, 1) == 0) CHECK(++zeros < 32);
  return (1u << zeros) - 1 + bits(reader, zeros);
}

static void skip_hrd(bit_reader *reader) {
  uint32_t count = exp_golomb(reader) + 1;
  bits(reader, 8);
  for (; count > 0; count--) exp_golomb(reader), exp_golomb(reader), bits(reader, 1);
  bits(reader, 20);
}

static void parse_vui(bit_reader *reader, h264_unit *unit) {
  if (bits(reader, 1) == 1 && bits(reader, 8) == 255) bits(reader, 32); /* aspect ratio */
  if (bits(reader, 1) == 1) bits(reader, 1);                            /* overscan */
  if (bits(reader, 1) == 1) {
    bits(reader, 3);
    unit->full_range = bits(reader, 1) == 1;
    unit->colours_told = bits(reader, 1) == 1;
    if (unit->colours_told) {
      unit->primaries = bits(reader, 8);
      unit->transfer = bits(reader, 8);
      unit->matrix = bits(reader, 8);
    }
  }
  if (bits(reader, 1) == 1) exp_golomb(reader), exp_golomb(reader);              /* chroma location */
  if (bits(reader, 1) == 1) bits(reader, 32), bits(reader, 32), bits(reader, 1); /* timing */
  bool nal_hrd = bits(reader, 1) == 1;
  if (nal_hrd) skip_hrd(reader);
  bool vcl_hrd = bits(reader, 1) == 1;
  if (vcl_hrd) skip_hrd(reader);
  if (nal_hrd || vcl_hrd) bits(reader, 1);
  bits(reader, 1);
  if (bits(reader, 1) == 0) return; /* bitstream restriction */
  bits(reader, 1);
  for (int i = 0; i < 4; i++) exp_golomb(reader);
  unit->reorder_frames = exp_golomb(reader);
}

static void parse_sps(bit_reader *reader, h264_unit *unit) {
  unit->profile = bits(reader, 8);
  bits(reader, 16);
  exp_golomb(reader);
  CHECK(unit->profile == 66 || unit->profile == 77); /* the others have fields here that are not read */
  exp_golomb(reader);
  unit->poc_type = exp_golomb(reader);
  CHECK(unit->poc_type != 1);
  if (unit->poc_type == 0) exp_golomb(reader);
  exp_golomb(reader);
  bits(reader, 1);
  unit->width = (exp_golomb(reader) + 1) * 16;
  unit->height = (exp_golomb(reader) + 1) * 16;
  CHECK_EQ(bits(reader, 1), 1); /* frames, no fields */
  bits(reader, 1);
  if (bits(reader, 1) == 1) {
    unit->width -= 2 * exp_golomb(reader);
    unit->width -= 2 * exp_golomb(reader);
    unit->height -= 2 * exp_golomb(reader);
    unit->height -= 2 * exp_golomb(reader);
  }
  unit->reorder_frames = UINT32_MAX;
  if (bits(reader, 1) == 1) parse_vui(reader, unit);
}

static void parse_nal(const uint8_t *nal, size_t nal_bytes, h264_unit *unit) {
  CHECK(nal_bytes > 1 && (nal[0] & 0x80) == 0);
  bit_reader reader = read_nal(nal, nal_bytes);
  uint32_t slices = unit->idr_slices + unit->other_slices, slice_type;
  switch (nal[0] & 31) {
    case 1:
    case 5:
      if (slices == 0) unit->headers_first = unit->sps_count == 1 && unit->pps_count >= 1;
      *((nal[0] & 31) == 5 ? &unit->idr_slices : &unit->other_slices) += 1;
      exp_golomb(&reader);
      slice_type = exp_golomb(&reader) % 5;
      if (slice_type != 0 && slice_type != 2) unit->b_slices = true;
      break;
    case 6: break; /* SEI */
    case 7:
      unit->sps_count++;
      parse_sps(&reader, unit);
      break;
    case 8: unit->pps_count++; break;
    default: fail_test(__FILE__, __LINE__, "a NAL unit of type %d", nal[0] & 31);
  }
}

/* The next start code (00 00 01) from `at` on, or the end. */
static size_t next_start(const uint8_t *bytes, size_t bytes_count, size_t at) {
  for (; at + 3 <= bytes_count; at++) {
    if (bytes[at] == 0 && bytes[at + 1] == 0 && bytes[at + 2] == 1) return at;
  }
  return bytes_count;
}

h264_unit h264_parse(const uint8_t *bytes, size_t bytes_count) {
  h264_unit unit = {.sps_count = 0};
  size_t start = next_start(bytes, bytes_count, 0);
  CHECK(start <= 1 && start < bytes_count); /* 00 00 01 or 00 00 00 01 at the very beginning */
  while (start < bytes_count) {
    size_t end = next_start(bytes, bytes_count, start + 3), next = end;
    if (end < bytes_count && bytes[end - 1] == 0) end--; /* the first of four */
    parse_nal(bytes + start + 3, end - start - 3, &unit);
    start = next;
  }
  return unit;
}
