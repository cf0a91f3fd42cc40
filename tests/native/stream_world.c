#include "stream_world.h"

#include <stdlib.h>
#include <unistd.h>

#include <jpeglib.h>

#include "picture.h"
#include "reader.h"

/* A bound against hangs. */
#define EVENT_MS_MAX 10000u
/* What encoders may make of a shade: OpenH264 lets the black behind an odd edge shine through. */
#define LUMA_DIFFERENCE_MAX 12

void join_world(world *world) {
  *world =
      (struct world){.reader = open_reader(), .packet = malloc(PACKET_BYTES_MAX), .pixels = malloc(CARD_BYTES_MAX)};
  CHECK_EQ(tele_controller_open(world->reader, &world->controller), 0);
  CHECK_EQ(tele_hub_create(&world->hub), 0);
  CHECK_EQ(decoder_open(&world->decoder), 0);
}

void open_world(world *world, uint64_t capacity) {
  tele_producer *producer = open_producer(CARD_BYTES_MAX, capacity);
  join_world(world);
  world->producer = producer;
}

void close_world(world *world) {
  tele_stream_close(world->stream);
  decoder_close(world->decoder);
  if (world->encoder != NULL) world->encoder->backend->close(world->encoder);
  tele_hub_destroy(world->hub);
  tele_controller_close(world->controller);
  tele_reader_close(world->reader);
  tele_producer_close(world->producer);
  free(world->packet);
  free(world->pixels);
}

/* ---- Publishing ------------------------------------------------------------------------------- */

void publish_card(world *world, const card *card) {
  uint32_t stride = picture_stride_min(card->format, card->width);
  uint64_t bytes = picture_bytes(card->format, stride, card->height);
  CHECK(bytes <= CARD_BYTES_MAX);
  memset(world->pixels, card->shade, bytes);
  uint64_t luma_bytes = (uint64_t)stride * card->height;
  if (bytes > luma_bytes) memset(world->pixels + luma_bytes, 128, bytes - luma_bytes);
  uint8_t overlay[64];
  memset(overlay, card->overlay, sizeof overlay);
  tele_frame frame = {.pixels = world->pixels,
                      .width = card->width,
                      .height = card->height,
                      .format = card->format,
                      .step = card->step,
                      .overlay = card->overlay == 0 ? NULL : overlay,
                      .overlay_width = 8,
                      .overlay_height = 8};
  CHECK_EQ(tele_producer_publish(world->producer, &frame), 0);
}

card unit_card(uint8_t shade) { return (card){.format = TELE_FORMAT_I420, .width = 64, .height = 48, .shade = shade}; }

static encoder_picture picture_of(world *world, uint8_t shade) {
  memset(world->pixels, shade, 64 * 48);
  memset(world->pixels + 64 * 48, 128, 64 * 48);
  return (encoder_picture){.planes = {world->pixels, world->pixels + 64 * 48, world->pixels + 64 * 48},
                           .strides = {64, 32, 32},
                           .width = 64,
                           .height = 48};
}

static void publish_coded(world *world, uint32_t format, const access_unit *unit) {
  tele_frame frame = {.pixels = unit->bytes,
                      .bytes = unit->bytes_count,
                      .width = 64,
                      .height = 48,
                      .format = format,
                      .flags = unit->keyframe ? TELE_FRAME_KEYFRAME : 0};
  CHECK_EQ(tele_producer_publish(world->producer, &frame), 0);
}

static encoder *open_encoder(tele_encoder_kind kind) {
  encoder_config config = {.width = 64, .height = 48, .fps_mhz = 30000, .bitrate_kbps = 1000, .quality = 90};
  encoder *made;
  char note[160];
  CHECK_EQ(encoder_open(kind, 0, &config, &made, note, sizeof note), 0);
  return made;
}

void publish_unit(world *world, uint8_t shade, bool keyframe) {
  if (world->encoder == NULL) world->encoder = open_encoder(TELE_ENCODER_OPENH264);
  encoder_picture picture = picture_of(world, shade);
  access_unit unit;
  CHECK_EQ(world->encoder->backend->encode(world->encoder, &picture, keyframe, &unit), 0);
  publish_coded(world, TELE_FORMAT_H264, &unit);
}

void publish_jpeg(world *world, uint8_t shade) {
  encoder *encoder = open_encoder(TELE_ENCODER_JPEG);
  encoder_picture picture = picture_of(world, shade);
  access_unit unit;
  CHECK_EQ(encoder->backend->encode(encoder, &picture, true, &unit), 0);
  publish_coded(world, TELE_FORMAT_JPEG, &unit);
  encoder->backend->close(encoder);
}

/* ---- The stream ------------------------------------------------------------------------------- */

void open_stream(world *world, const tele_stream_settings *settings) {
  CHECK_EQ(tele_stream_open(world->hub, 1, world->reader, world->controller, settings, &world->stream), 0);
}

tele_hub_event expect_event(world *world, tele_hub_event_kind kind) {
  for (;;) {
    tele_hub_event event;
    if (tele_hub_next(world->hub, EVENT_MS_MAX, &event, 1) != 1) {
      fail_test(__FILE__, __LINE__, "no event of kind %d came, only %x", (int)kind, world->seen);
    }
    CHECK_EQ(event.stream_id, 1);
    if (event.kind == (uint32_t)kind) return event;
    world->seen |= 1u << event.kind;
  }
}

void expect_silence(world *world, uint32_t ms) {
  uint64_t until_ns = tele_clock_mono_ns() + ms * NS_PER_MS;
  for (uint64_t now_ns = 0; (now_ns = tele_clock_mono_ns()) < until_ns;) {
    tele_hub_event event;
    if (tele_hub_next(world->hub, (uint32_t)((until_ns - now_ns) / NS_PER_MS) + 1, &event, 1) == 0) continue;
    if (event.kind == TELE_HUB_PACKET && take_packet(world) == NULL) continue; /* of one that was taken before */
    fail_test(__FILE__, __LINE__, "an event of kind %u came, expected none", event.kind);
  }
}

void wait_for_packets(world *world, uint64_t packets_count) {
  while (status_of(world).packets < packets_count) usleep(500);
}

uint32_t notify_wanted(const world *world) {
  return atomic_load_explicit(&world->reader->segment->notify_wanted, memory_order_relaxed);
}

const packet_header *take_packet(world *world) {
  int result = tele_stream_take(world->stream, world->packet, PACKET_BYTES_MAX, &world->packet_bytes);
  CHECK(result >= 0);
  return result == 0 ? NULL : (const packet_header *)world->packet;
}

const packet_header *expect_packet(world *world) {
  for (;;) {
    const packet_header *packet = take_packet(world);
    if (packet != NULL) return packet;
    expect_event(world, TELE_HUB_PACKET);
  }
}

tele_stream_status status_of(world *world) {
  tele_stream_status status;
  CHECK_EQ(tele_stream_status_get(world->stream, &status), 0);
  return status;
}

/* ---- What it shows ---------------------------------------------------------------------------- */

/* BT.709, limited range: the ring's YUV as it is, grey of the other formats by BT.709's luma. */
static int luma_of(const card *card) {
  bool is_yuv = card->format == TELE_FORMAT_NV12 || card->format == TELE_FORMAT_I420;
  return is_yuv ? card->shade : 16 + (card->shade * 219 + 127) / 255;
}

static void expect_luma(int found, int expected, uint32_t x, uint32_t y) {
  if (abs(found - expected) <= LUMA_DIFFERENCE_MAX) return;
  fail_test(__FILE__, __LINE__, "luma at %u, %u is %d, expected %d", x, y, found, expected);
}

static void expect_h264_card(world *world, const card *card) {
  const packet_header *packet = (const packet_header *)world->packet;
  encoder_picture picture;
  uint32_t bytes = packet->slot.overlay_bytes > 0 ? packet->slot.overlay_offset : packet->slot.bytes;
  CHECK_EQ(decoder_run(world->decoder, packet + 1, bytes, &picture), 1);
  CHECK(picture.width == (card->width + 1) / 2 * 2 && picture.height == (card->height + 1) / 2 * 2);
  for (uint32_t y = 0; y < card->height; y++) {
    for (uint32_t x = 0; x < card->width; x++) {
      expect_luma(picture.planes[0][y * (uint32_t)picture.strides[0] + x], luma_of(card), x, y);
    }
  }
}

/* JPEG's luma is of full range. */
static void expect_jpeg_card(world *world, const card *card) {
  const packet_header *packet = (const packet_header *)world->packet;
  struct jpeg_decompress_struct decoder;
  struct jpeg_error_mgr errors;
  decoder.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&decoder);
  jpeg_mem_src(&decoder, (const uint8_t *)(packet + 1), packet->slot.bytes);
  CHECK_EQ(jpeg_read_header(&decoder, TRUE), JPEG_HEADER_OK);
  decoder.out_color_space = JCS_GRAYSCALE;
  jpeg_start_decompress(&decoder);
  CHECK(decoder.output_width == (card->width + 1) / 2 * 2 && decoder.output_height == (card->height + 1) / 2 * 2);
  uint8_t *row = malloc(decoder.output_width);
  for (uint32_t y = 0; y < decoder.output_height; y++) {
    CHECK_EQ(jpeg_read_scanlines(&decoder, &row, 1), 1);
    for (uint32_t x = 0; x < card->width; x++) expect_luma(16 + row[x] * 219 / 255, luma_of(card), x, y);
  }
  free(row);
  jpeg_finish_decompress(&decoder);
  jpeg_destroy_decompress(&decoder);
}

void expect_card(world *world, const card *card) {
  const packet_header *packet = (const packet_header *)world->packet;
  if (packet->slot.format == TELE_FORMAT_H264) {
    expect_h264_card(world, card);
  } else {
    expect_jpeg_card(world, card);
  }
}
