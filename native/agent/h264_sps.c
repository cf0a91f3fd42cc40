#include "h264_sps.h"

#include <string.h>

/* Bits of a NAL unit behind its header byte, read past emulation prevention (7.4.1.1). */
typedef struct bits {
  const uint8_t *bytes;
  size_t bytes_count;
  size_t byte; /* the next */
  uint32_t bit;
  uint32_t zeros; /* zero bytes in a row in front of it */
  bool ended;     /* more was read than there is */
} bits;

static bits bits_of(const uint8_t *nal, size_t nal_bytes) {
  return (bits){.bytes = nal, .bytes_count = nal_bytes, .byte = 1};
}

static uint32_t read_bit(bits *bits) {
  if (bits->bit == 0 && bits->zeros >= 2 && bits->byte < bits->bytes_count && bits->bytes[bits->byte] == 3) {
    bits->byte++;
    bits->zeros = 0;
  }
  if (bits->byte >= bits->bytes_count) {
    bits->ended = true;
    return 0;
  }
  const uint32_t value = bits->bytes[bits->byte] >> (7 - bits->bit) & 1u;
  if (++bits->bit == 8) {
    bits->bit = 0;
    bits->zeros = bits->bytes[bits->byte] == 0 ? bits->zeros + 1 : 0;
    bits->byte++;
  }
  return value;
}

static uint32_t read_bits(bits *bits, uint32_t count) {
  uint32_t value = 0;
  while (count-- > 0) value = value << 1 | read_bit(bits);
  return value;
}

/* ue(v), 9.1 */
static uint32_t read_ue(bits *bits) {
  uint32_t zeros = 0;
  while (!bits->ended && read_bit(bits) == 0) {
    if (++zeros == 32) bits->ended = true;
  }
  return bits->ended ? 0 : (uint32_t)((UINT64_C(1) << zeros) - 1 + read_bits(bits, zeros));
}

/* se(v), 9.1.1 */
static int32_t read_se(bits *bits) {
  const uint32_t value = read_ue(bits);
  return (value & 1) != 0 ? (int32_t)(value / 2 + 1) : -(int32_t)(value / 2);
}

/* 7.3.2.1.1.1 */
static void skip_scaling_list(bits *bits, uint32_t entries) {
  int32_t last = 8, next = 8;
  for (uint32_t i = 0; i < entries && !bits->ended; i++) {
    if (next != 0) next = (int32_t)(((int64_t)last + read_se(bits)) & 255);
    if (next != 0) last = next;
  }
}

static bool profile_tells_chroma(uint32_t profile_idc) {
  static const uint8_t profiles[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
  return memchr(profiles, (int)profile_idc, sizeof profiles) != NULL;
}

static void read_chroma(bits *bits, h264_sps *sps) {
  sps->chroma_format_idc = read_ue(bits);
  if (sps->chroma_format_idc == 3) read_bit(bits); /* separate planes */
  const uint32_t luma = read_ue(bits), chroma = read_ue(bits);
  sps->bit_depth = 8 + (luma > chroma ? luma : chroma);
  read_bit(bits);
  if (read_bit(bits) == 0) return; /* no scaling matrix */
  const uint32_t lists = sps->chroma_format_idc == 3 ? 12 : 8;
  for (uint32_t i = 0; i < lists; i++) {
    if (read_bit(bits) == 1) skip_scaling_list(bits, i < 6 ? 16 : 64);
  }
}

static void skip_picture_order(bits *bits) {
  const uint32_t type = read_ue(bits);
  if (type == 0) read_ue(bits);
  if (type != 1) return;
  read_bit(bits);
  read_se(bits);
  read_se(bits);
  for (uint32_t count = read_ue(bits); count > 0 && !bits->ended; count--) read_se(bits);
}

/* What a crop of 1 takes away: 6.2 and (7-19) to (7-22). */
static uint32_t crop_width(uint32_t chroma_format_idc) {
  return chroma_format_idc == 1 || chroma_format_idc == 2 ? 2 : 1;
}

bool h264_sps_parse(const uint8_t *nal, size_t nal_bytes, h264_sps *sps) {
  h264_sps found = {.chroma_format_idc = 1, .bit_depth = 8};
  bits bits = bits_of(nal, nal_bytes);
  found.profile_idc = read_bits(&bits, 8);
  read_bits(&bits, 16);
  read_ue(&bits); /* its id */
  if (profile_tells_chroma(found.profile_idc)) read_chroma(&bits, &found);
  read_ue(&bits);
  skip_picture_order(&bits);
  read_ue(&bits);
  read_bit(&bits);
  uint64_t width = ((uint64_t)read_ue(&bits) + 1) * 16, height = ((uint64_t)read_ue(&bits) + 1) * 16;
  found.interlaced = read_bit(&bits) == 0;
  const uint32_t fields = found.interlaced ? 2 : 1;
  height *= fields;
  if (found.interlaced) read_bit(&bits);
  read_bit(&bits);
  if (read_bit(&bits) == 1) {
    const uint64_t unit_x = crop_width(found.chroma_format_idc),
                   unit_y = (found.chroma_format_idc == 1 ? 2 : 1) * fields;
    const uint64_t left = read_ue(&bits), right = read_ue(&bits), top = read_ue(&bits), bottom = read_ue(&bits);
    const uint64_t across = (left + right) * unit_x, down = (top + bottom) * unit_y;
    if (across >= width || down >= height) return false;
    width -= across;
    height -= down;
  }
  if (bits.ended || width > UINT16_MAX || height > UINT16_MAX || found.chroma_format_idc > 3) return false;
  found.width = (uint32_t)width;
  found.height = (uint32_t)height;
  *sps = found;
  return true;
}

bool h264_sps_is_usual(const h264_sps *sps) {
  return sps->chroma_format_idc == 1 && sps->bit_depth == 8 && !sps->interlaced;
}

bool h264_slice_is_b(const uint8_t *nal, size_t nal_bytes) {
  bits bits = bits_of(nal, nal_bytes);
  read_ue(&bits); /* its first macroblock */
  const uint32_t type = read_ue(&bits);
  return !bits.ended && type % 5 == 1;
}
