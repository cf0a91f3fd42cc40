#include "picture.h"

bool format_is_raw(uint32_t format) { return format >= TELE_FORMAT_RGB8 && format <= TELE_FORMAT_I420; }

bool format_is_known(uint32_t format) {
  return format_is_raw(format) || format == TELE_FORMAT_H264 || format == TELE_FORMAT_JPEG;
}

uint32_t picture_stride_min(uint32_t format, uint32_t width) {
  switch (format) {
    case TELE_FORMAT_RGB8: return width * 3;
    case TELE_FORMAT_RGBA8:
    case TELE_FORMAT_BGRA8: return width * 4;
    case TELE_FORMAT_NV12: return (width + 1) / 2 * 2;
    case TELE_FORMAT_GRAY8:
    case TELE_FORMAT_I420: return width;
    default: return 0;
  }
}

uint64_t picture_bytes(uint32_t format, uint32_t stride, uint32_t height) {
  uint64_t luma_bytes = (uint64_t)stride * height;
  uint64_t chroma_rows = ((uint64_t)height + 1) / 2;
  if (format == TELE_FORMAT_NV12) return luma_bytes + stride * chroma_rows;
  if (format == TELE_FORMAT_I420) return luma_bytes + 2 * (((uint64_t)stride + 1) / 2) * chroma_rows;
  return luma_bytes;
}

bool picture_fits(const tele_slot_header *header) {
  return header->width - 1 < PICTURE_SIDE_MAX && header->height - 1 < PICTURE_SIDE_MAX &&
         header->stride >= picture_stride_min(header->format, header->width) && header->stride <= INT32_MAX &&
         picture_bytes(header->format, header->stride, header->height) <= header->bytes;
}
