/* What a run's newest picture looks like, for watchdogs: at the least cost, since nobody may be watching. */
#include <errno.h>
#include <stdlib.h>

#include "access_chain.h"
#include "clock.h"
#include "convert.h"
#include "decoder.h"
#include "error.h"
#include "jpeg_luma.h"
#include "luma_grid.h"
#include "picture.h"

/* How often the ring is looked at for the keyframe that the producer was asked for, and what follows it. */
#define LOOK_NS (20 * NS_PER_MS)
/* A keyframe of an encoder of constant bitrate is a coarse picture, and each time another one. The units behind it
 * refine what does not move: after so many a scene looks nearly the same in each GOP. */
#define UNITS_SETTLED 20u
/* A picture that is overwritten while it is read is read again so often. */
#define READS_MAX 3

static void take_header(const tele_slot_header *header, tele_picture_stats *stats) {
  stats->frame = header->frame;
  stats->t_mono_ns = header->t_mono_ns;
  stats->width = header->width;
  stats->height = header->height;
}

static void take_luma(const encoder_picture *picture, tele_picture_stats *stats) {
  luma_grid_fill(picture->planes[0], (size_t)picture->strides[0], picture->width, picture->height, false, stats);
}

/* In place: the slot may be overwritten meanwhile, and it is tried again then. */
static int look_at_pixels(tele_reader *reader, uint64_t after, tele_picture_stats *stats) {
  converter *converter;
  int result = converter_open(&converter);
  for (int attempt = 0; result == 0 && attempt < READS_MAX; attempt++) {
    tele_slot_header header;
    const void *pixels;
    encoder_picture picture;
    result = tele_reader_begin(reader, after, TELE_READ_NEWEST, &header, &pixels);
    if (result < 1 || !format_is_raw(header.format)) break;
    result = converter_run(converter, &header, pixels, &picture);
    if (result < 0) break;
    take_header(&header, stats);
    take_luma(&picture, stats);
    result = tele_reader_end(reader, &header);
  }
  converter_close(converter);
  return result;
}

static int look_at_jpeg(tele_reader *reader, uint64_t after, tele_picture_stats *stats) {
  frame_copy copy = {.bytes = NULL};
  int result = frame_copy_read(&copy, reader, after, TELE_READ_NEWEST);
  if (result == 1) {
    tele_slot_header header = frame_copy_header(&copy);
    jpeg_luma luma = {.rows = NULL};
    result = header.format != TELE_FORMAT_JPEG
                 ? 0
                 : jpeg_luma_decode(copy.bytes + sizeof header, coded_bytes(&header), 2 * TELE_STATS_COLUMNS, &luma);
    if (result == 1) {
      take_header(&header, stats);
      luma_grid_fill(luma.rows, luma.width, luma.width, luma.height, true, stats);
    }
    free(luma.rows);
  }
  free(copy.bytes);
  return result;
}

/* The picture of `last`, which these units lead to. 1; 0 damaged or overwritten meanwhile. */
static int decode_units(tele_reader *reader, uint64_t keyframe, uint64_t last, tele_picture_stats *stats) {
  frame_copy unit = {.bytes = NULL};
  tele_slot_header header;
  encoder_picture picture;
  decoder *decoder = NULL;
  int result = decoder_open(&decoder);
  for (uint64_t frame = keyframe; result >= 0 && frame <= last; frame++) {
    result = frame_copy_read(&unit, reader, frame - 1, TELE_READ_NEXT);
    if (result < 1) break;
    header = frame_copy_header(&unit);
    bool is_unit = header.format == TELE_FORMAT_H264;
    result = is_unit ? decoder_run(decoder, unit.bytes + sizeof header, coded_bytes(&header), &picture) : 0;
    if (result < 1) break;
  }
  if (result == 1) {
    take_header(&header, stats);
    take_luma(&picture, stats);
  }
  decoder_close(decoder);
  free(unit.bytes);
  return result == -ESTALE ? 0 : result;
}

/* The last unit of the GOP that begins here. */
static uint64_t gop_end(tele_reader *reader, uint64_t keyframe, uint64_t head) {
  for (uint64_t next = head; next != 0;) {
    head = next;
    next = access_chain_keyframe_at_most(reader, head, keyframe);
    if (next != 0) next--;
  }
  return head;
}

static int look_at_units(tele_reader *reader, uint64_t after, uint32_t ask_ms, tele_picture_stats *stats) {
  access_chain chain = {.after = 0};
  uint64_t deadline_ns = clock_mono_ns() + ask_ms * NS_PER_MS;
  for (;;) {
    tele_slot_header newest;
    const void *payload;
    int result = tele_reader_begin(reader, after, TELE_READ_NEWEST, &newest, &payload);
    if (result < 1) return result;
    uint64_t head = newest.frame;
    uint64_t keyframe = head > UNITS_SETTLED ? access_chain_keyframe_at_most(reader, head - UNITS_SETTLED, 0) : 0;
    bool is_late = clock_mono_ns() >= deadline_ns;
    /* A ring that holds so few units has nothing better. */
    if (keyframe == 0 && ask_ms > 0 && is_late) keyframe = access_chain_keyframe_at_most(reader, head, 0);
    uint64_t last = keyframe != 0 ? gop_end(reader, keyframe, head) : 0;
    if (last > after) return decode_units(reader, keyframe, last, stats);
    if (is_late) return 0;
    if (access_chain_keyframe_at_most(reader, head, 0) == 0) access_chain_ask(&chain, reader);
    nap_ns(LOOK_NS);
  }
}

int tele_reader_picture_stats(tele_reader *reader, uint64_t after, uint32_t ask_ms, tele_picture_stats *stats) {
  tele_slot_header newest;
  const void *payload;
  int result = tele_reader_begin(reader, after, TELE_READ_NEWEST, &newest, &payload);
  if (result < 1) return result;
  if (newest.format == TELE_FORMAT_H264) return look_at_units(reader, after, ask_ms, stats);
  if (newest.format == TELE_FORMAT_JPEG) return look_at_jpeg(reader, after, stats);
  return look_at_pixels(reader, after, stats);
}
