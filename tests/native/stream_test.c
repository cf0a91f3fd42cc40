/* Streams: what goes into the ring comes out as packets that decode, whatever the run and its viewers do. */
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "decoder.h"
#include "harness.h"
#include "stream_world.h"

/* ---- Formats ---------------------------------------------------------------------------------- */

static void every_format_decodes_to_its_card(void) {
  for (uint32_t format = TELE_FORMAT_RGB8; format <= TELE_FORMAT_I420; format++) {
    world world;
    open_world(&world, 4);
    card card = {.format = format, .width = 162, .height = 97, .shade = 90, .step = 7};
    publish_card(&world, &card);
    open_stream(&world, &(tele_stream_settings){.outputs = TELE_OUTPUT_H264, .encoder = TELE_ENCODER_OPENH264});
    expect_event(&world, TELE_HUB_ENCODER);
    const packet_header *packet = expect_packet(&world);
    CHECK_EQ(packet->slot.format, TELE_FORMAT_H264);
    CHECK_EQ(packet->slot.flags, TELE_FRAME_KEYFRAME);
    CHECK(packet->slot.width == 162 && packet->slot.height == 97 && packet->slot.stride == 0);
    CHECK(packet->slot.frame == 1 && packet->slot.step == 7 && packet->slot.seq == 0);
    CHECK(packet->number == 1 && packet->sampled_ns <= packet->ready_ns &&
          packet->sampled_ns >= packet->slot.t_mono_ns);
    CHECK_EQ(packet->slot.bytes + sizeof packet->slot, world.packet_bytes);
    expect_card(&world, &card);
    close_world(&world);
  }
}

static void an_overlay_stands_behind_the_packet(void) {
  world world;
  open_world(&world, 4);
  publish_card(&world, &(card){.format = TELE_FORMAT_RGB8, .width = 64, .height = 64, .shade = 60, .overlay = 99});
  open_stream(&world, &(tele_stream_settings){.outputs = TELE_OUTPUT_H264 | TELE_OUTPUT_JPEG});
  for (int i = 0; i < 2; i++) {
    const packet_header *packet = expect_packet(&world);
    const uint8_t *payload = (const uint8_t *)(packet + 1);
    CHECK(packet->slot.overlay_width == 8 && packet->slot.overlay_height == 8 && packet->slot.overlay_bytes == 64);
    CHECK_EQ(packet->slot.overlay_offset % 64, 0);
    CHECK_EQ(packet->slot.overlay_offset + 64, packet->slot.bytes);
    for (int j = 0; j < 64; j++) CHECK_EQ(payload[packet->slot.overlay_offset + j], 99);
  }
  close_world(&world);
}

static const test tests[] = {
    {"every format decodes to its card", every_format_decodes_to_its_card},
    {"an overlay stands behind the packet", an_overlay_stands_behind_the_packet},
};
SUITE(stream, tests);
