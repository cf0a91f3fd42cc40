/* How many bytes a picture has: one rule for who publishes, who reads and who encodes. */
#ifndef TELE_PICTURE_H
#define TELE_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "telebridge.h"

/* The largest width and height; also JPEG's limit. */
#define PICTURE_SIDE_MAX 65535u

/* Payload and overlay start at multiples of this. */
#define PAYLOAD_ALIGNMENT 64u

static inline uint64_t align_payload(uint64_t bytes) {
  return (bytes + PAYLOAD_ALIGNMENT - 1) & ~(uint64_t)(PAYLOAD_ALIGNMENT - 1);
}

bool format_is_known(uint32_t format);

/* Formats whose size follows from their stride and height. */
bool format_is_raw(uint32_t format);

/* Bytes of one row of plane 0 without padding; even for NV12, whose UV rows have the same stride. */
uint32_t picture_stride_min(uint32_t format, uint32_t width);

/* Bytes of all planes of a raw format. */
uint64_t picture_bytes(uint32_t format, uint32_t stride, uint32_t height);

/* Whether sides, stride and bytes of a raw format's header agree, so that its picture lies inside the payload. */
bool picture_fits(const tele_slot_header *header);

#endif
