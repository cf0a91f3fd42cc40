/* Snapshots: one frame to JPEG by libjpeg-turbo; YUV goes through libyuv, since JPEG's own YUV is full-range BT.601
 * and the ring's is limited-range BT.709. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libyuv.h>

#include "error.h"
#include "jpeg_compressor.h"
#include "picture.h"
#include "telebridge.h"

/* The ring's YUV planes into BGRA rows without padding. */
static int convert_yuv(const tele_slot_header *header, const uint8_t *luma, uint8_t *bgra) {
  int width = (int)header->width, height = (int)header->height, stride = (int)header->stride;
  const uint8_t *chroma = luma + (size_t)header->stride * header->height;
  if (header->format == TELE_FORMAT_NV12) {
    return NV12ToARGBMatrix(luma, stride, chroma, stride, bgra, width * 4, &kYuvH709Constants, width, height);
  }
  int chroma_stride = (stride + 1) / 2;
  const uint8_t *v = chroma + (size_t)chroma_stride * (((size_t)header->height + 1) / 2);
  return H420ToARGB(luma, stride, chroma, chroma_stride, v, chroma_stride, bgra, width * 4, width, height);
}

static int copy_out(const uint8_t *found, uint64_t found_bytes, void *jpeg, uint64_t jpeg_bytes_max,
                    uint64_t *jpeg_bytes) {
  *jpeg_bytes = found_bytes;
  if (found_bytes > jpeg_bytes_max) return jpeg_refuse_room(found_bytes, jpeg_bytes_max);
  memcpy(jpeg, found, found_bytes);
  return 0;
}

/* YUV comes as what convert_yuv() makes. */
static jpeg_pixels pixels_of(uint32_t format) {
  switch (format) {
    case TELE_FORMAT_RGB8: return JPEG_PIXELS_RGB;
    case TELE_FORMAT_RGBA8: return JPEG_PIXELS_RGBX;
    case TELE_FORMAT_GRAY8: return JPEG_PIXELS_GREY;
    default: return JPEG_PIXELS_BGRX;
  }
}

int tele_jpeg_encode(const void *frame, uint64_t frame_bytes, uint32_t quality, void *jpeg, uint64_t jpeg_bytes_max,
                     uint64_t *jpeg_bytes) {
  tele_slot_header header;
  if (frame_bytes < sizeof header) {
    return error_set(EINVAL, "cannot encode a frame as JPEG: it has %llu bytes, its header alone has %zu",
                     (unsigned long long)frame_bytes, sizeof header);
  }
  if (quality < 1 || quality > 100) {
    return error_set(EINVAL, "cannot encode a frame as JPEG: quality is %u, expected 1 to 100", quality);
  }
  memcpy(&header, frame, sizeof header);
  const uint8_t *payload = (const uint8_t *)frame + sizeof header;
  if (header.bytes > frame_bytes - sizeof header) {
    return error_set(EINVAL, "cannot encode a frame as JPEG: it announces %u bytes and has %llu", header.bytes,
                     (unsigned long long)(frame_bytes - sizeof header));
  }
  if (header.format == TELE_FORMAT_JPEG) {
    uint32_t bytes = header.overlay_bytes > 0 ? header.overlay_offset : header.bytes;
    return copy_out(payload, bytes < header.bytes ? bytes : header.bytes, jpeg, jpeg_bytes_max, jpeg_bytes);
  }
  if (!format_is_raw(header.format)) {
    return error_set(ENOTSUP, "cannot encode a frame of format %u as JPEG", header.format);
  }
  if (!picture_fits(&header)) {
    return error_set(EINVAL, "cannot encode a frame as JPEG: %u x %u with stride %u does not fit its %u bytes",
                     header.width, header.height, header.stride, header.bytes);
  }
  jpeg_source source = {.bytes = payload,
                        .width = header.width,
                        .height = header.height,
                        .stride = header.stride,
                        .pixels = pixels_of(header.format)};
  uint8_t *bgra = NULL;
  if (header.format == TELE_FORMAT_NV12 || header.format == TELE_FORMAT_I420) {
    bgra = malloc((size_t)header.width * header.height * 4);
    if (bgra == NULL || convert_yuv(&header, payload, bgra) < 0) {
      free(bgra);
      return error_set(ENOMEM, "cannot encode a frame of %u x %u as JPEG: no memory", header.width, header.height);
    }
    source.bytes = bgra;
    source.stride = header.width * 4;
  }
  int result = jpeg_compress(&source, quality, jpeg, jpeg_bytes_max, jpeg_bytes);
  free(bgra);
  return result;
}
