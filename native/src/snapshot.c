/* A run's newest picture as JPEG, of access units too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "access_chain.h"
#include "clock.h"
#include "decoder.h"
#include "error.h"

/* How often the ring is looked at for the keyframe that the producer was asked for. */
#define LOOK_NS (5 * NS_PER_MS)

static int refuse_unfinished(const tele_reader *reader) {
  return error_set(ETIMEDOUT, "cannot take a picture of run \"%s\": no keyframe came", reader->run_id);
}

static int encode_picture(const tele_reader *reader, const encoder_picture *picture, uint32_t quality, void *jpeg,
                          uint64_t jpeg_bytes_max, uint64_t *jpeg_bytes) {
  encoder_config config = {
      .width = picture->width, .height = picture->height, .fps_mhz = 1, .bitrate_kbps = 1, .quality = quality};
  encoder *encoder;
  char note[160];
  int result = encoder_open(TELE_ENCODER_JPEG, 0, &config, &encoder, note, sizeof note);
  if (result < 0) return result;
  access_unit unit;
  result = encoder->backend->encode(encoder, picture, true, &unit);
  if (result == 0) {
    *jpeg_bytes = unit.bytes_count;
    if (unit.bytes_count > jpeg_bytes_max) {
      result = error_set(ENOBUFS, "cannot take a picture of run \"%s\": it needs %zu bytes, the buffer has %llu",
                         reader->run_id, unit.bytes_count, (unsigned long long)jpeg_bytes_max);
    } else {
      memcpy(jpeg, unit.bytes, unit.bytes_count);
    }
  }
  encoder->backend->close(encoder);
  return result;
}

/* Decodes from the newest keyframe on up to the newest unit; where none is in the ring, it is waited for. 1 with a
 * picture, 0 when the run publishes something else by now. */
static int decode_newest(tele_reader *reader, uint32_t timeout_ms, decoder *decoder, frame_copy *copy,
                         encoder_picture *picture) {
  access_chain chain = {.after = 0};
  uint64_t deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS;
  int decoded = 0;
  for (;;) {
    int result = access_chain_next(&chain, reader, copy);
    if (result < 0) return result;
    if (result == 1) {
      tele_slot_header header = frame_copy_header(copy);
      decoded = decoder_run(decoder, copy->bytes + sizeof header, coded_bytes(&header), picture);
      if (decoded < 0) return decoded;
      if (decoded == 0) access_chain_break(&chain);
      /* Of a run that is faster than its decoder this one is new enough. */
      if (decoded == 1 && clock_mono_ns() >= deadline_ns) return 1;
      continue;
    }
    if (decoded == 1) return 1;
    tele_slot_header newest;
    const void *payload;
    result = tele_reader_begin(reader, 0, TELE_READ_NEWEST, &newest, &payload);
    if (result < 0) return result;
    if (result == 1 && newest.format != TELE_FORMAT_H264) return 0;
    if (clock_mono_ns() >= deadline_ns) return refuse_unfinished(reader);
    nap_ns(LOOK_NS);
  }
}

/* 0 taken; 1 the run publishes something else by now. */
static int take_units(tele_reader *reader, uint32_t quality, uint32_t timeout_ms, frame_copy *copy, void *jpeg,
                      uint64_t jpeg_bytes_max, uint64_t *jpeg_bytes) {
  decoder *decoder;
  encoder_picture picture;
  int result = decoder_open(&decoder);
  if (result < 0) return result;
  result = decode_newest(reader, timeout_ms, decoder, copy, &picture);
  if (result == 1) {
    result = encode_picture(reader, &picture, quality, jpeg, jpeg_bytes_max, jpeg_bytes);
  } else if (result == 0) {
    result = 1;
  }
  decoder_close(decoder);
  return result;
}

int tele_reader_snapshot(tele_reader *reader, uint32_t quality, uint32_t timeout_ms, void *jpeg,
                         uint64_t jpeg_bytes_max, uint64_t *jpeg_bytes) {
  if (quality < 1 || quality > 100) {
    return error_set(EINVAL, "cannot take a picture of run \"%s\": quality is %u, expected 1 to 100", reader->run_id,
                     quality);
  }
  frame_copy copy = {.bytes = NULL};
  int result = 1;
  while (result == 1) {
    result = frame_copy_read(&copy, reader, 0, TELE_READ_NEWEST);
    if (result == 0) {
      result = error_set(ENOENT, "cannot take a picture of run \"%s\": it has published no frame yet", reader->run_id);
    } else if (result == 1 && frame_copy_header(&copy).format == TELE_FORMAT_H264) {
      result = take_units(reader, quality, timeout_ms, &copy, jpeg, jpeg_bytes_max, jpeg_bytes);
    } else if (result == 1) {
      result = tele_jpeg_encode(copy.bytes, copy.bytes_count, quality, jpeg, jpeg_bytes_max, jpeg_bytes);
    }
  }
  free(copy.bytes);
  return result;
}
