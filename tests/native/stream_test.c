/* Streams: what goes into the ring comes out as packets that decode, whatever the run and its viewers do. */
#include <unistd.h>

#include "clock.h"
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

static const tele_stream_settings H264 = {.outputs = TELE_OUTPUT_H264, .encoder = TELE_ENCODER_OPENH264};

static card grey(uint8_t shade) {
  return (card){.format = TELE_FORMAT_GRAY8, .width = 128, .height = 96, .shade = shade};
}

static void jpeg_and_h264_show_the_same(void) {
  world world;
  open_world(&world, 4);
  card card = {.format = TELE_FORMAT_RGBA8, .width = 65, .height = 33, .shade = 200};
  publish_card(&world, &card);
  tele_stream_settings both = H264;
  both.outputs |= TELE_OUTPUT_JPEG;
  open_stream(&world, &both);
  CHECK_EQ(expect_packet(&world)->slot.format, TELE_FORMAT_H264);
  expect_card(&world, &card);
  const packet_header *packet = expect_packet(&world);
  CHECK(packet->slot.format == TELE_FORMAT_JPEG && packet->slot.flags == TELE_FRAME_KEYFRAME && packet->number == 1);
  expect_card(&world, &card);
  CHECK_EQ(status_of(&world).frames_sampled, 1);
  close_world(&world);
}

/* ---- Keyframes -------------------------------------------------------------------------------- */

static void a_keyframe_comes_when_asked_for(void) {
  world world;
  open_world(&world, 4);
  open_stream(&world, &H264);
  for (uint32_t frame = 1; frame <= 30; frame++) {
    bool asked = frame % 10 == 0;
    if (asked) CHECK_EQ(tele_stream_request_keyframe(world.stream, TELE_OUTPUT_H264), 0);
    card card = grey((uint8_t)(40 + frame));
    publish_card(&world, &card);
    const packet_header *packet = expect_packet(&world);
    CHECK_EQ(packet->slot.frame, frame);
    CHECK_EQ(packet->number, frame);
    CHECK_EQ(packet->slot.flags, asked || frame == 1 ? TELE_FRAME_KEYFRAME : 0);
    expect_card(&world, &card);
  }
  CHECK_EQ(status_of(&world).keyframes, 4);
  close_world(&world);
}

static void without_newer_frames_the_newest_comes_as_a_keyframe(void) {
  world world;
  open_world(&world, 4);
  card card = grey(120);
  publish_card(&world, &card);
  tele_stream_settings both = H264;
  both.outputs |= TELE_OUTPUT_JPEG;
  open_stream(&world, &both);
  expect_packet(&world);
  expect_packet(&world);
  for (uint32_t round = 2; round <= 4; round++) {
    CHECK_EQ(tele_stream_request_keyframe(world.stream, TELE_OUTPUT_H264), 0);
    for (uint32_t format = 0; format != TELE_FORMAT_H264;) {
      const packet_header *packet = expect_packet(&world);
      format = packet->slot.format;
      CHECK(packet->slot.frame == 1 && packet->slot.flags == TELE_FRAME_KEYFRAME && packet->number <= round);
    }
    expect_card(&world, &card);
  }
  CHECK_EQ(status_of(&world).frames_sampled, 1);
  close_world(&world);
}

/* Only of the output that was asked for it: the other one has this picture. */
static void a_picture_is_made_again_for_who_needs_it(void) {
  world world;
  open_world(&world, 4);
  card card = grey(90);
  tele_stream_settings both = H264;
  both.outputs |= TELE_OUTPUT_JPEG;
  publish_card(&world, &card);
  open_stream(&world, &both);
  expect_event(&world, TELE_HUB_ENCODER);
  expect_packet(&world);
  CHECK_EQ(expect_packet(&world)->slot.format, TELE_FORMAT_JPEG);
  CHECK_EQ(tele_stream_request_keyframe(world.stream, TELE_OUTPUT_H264), 0);
  CHECK_EQ(expect_packet(&world)->slot.format, TELE_FORMAT_H264);
  expect_silence(&world, 60);
  close_world(&world);
}

/* The run's last picture is sampled while nobody can take H.264. */
static void an_output_without_room_misses_no_last_picture(void) {
  world world;
  open_world(&world, 4);
  card first = grey(90), last = grey(150);
  tele_stream_settings both = H264, jpeg = {.outputs = TELE_OUTPUT_JPEG};
  both.outputs |= TELE_OUTPUT_JPEG;
  publish_card(&world, &first);
  open_stream(&world, &both);
  expect_event(&world, TELE_HUB_ENCODER);
  expect_packet(&world);
  expect_card(&world, &first);
  expect_packet(&world);
  CHECK_EQ(tele_stream_set(world.stream, &jpeg), 0);
  publish_card(&world, &last);
  CHECK_EQ(expect_packet(&world)->slot.format, TELE_FORMAT_JPEG);
  expect_silence(&world, 60);
  CHECK_EQ(tele_stream_set(world.stream, &both), 0);
  const packet_header *packet = expect_packet(&world);
  CHECK(packet->slot.format == TELE_FORMAT_H264 && packet->slot.frame == 2 && packet->number == 2);
  expect_card(&world, &last);
  expect_silence(&world, 60);
  close_world(&world);
}

static void a_gop_brings_keyframes_by_itself(void) {
  world world;
  open_world(&world, 4);
  tele_stream_settings gop = H264;
  gop.gop_ms = 30;
  open_stream(&world, &gop);
  uint64_t keyframe_ns = 0;
  for (unsigned keyframes = 0; keyframes < 4;) {
    card card = grey(120);
    publish_card(&world, &card);
    const packet_header *packet = expect_packet(&world);
    if (packet->slot.flags == 0) continue;
    if (keyframe_ns != 0) CHECK(packet->ready_ns - keyframe_ns >= 30 * NS_PER_MS);
    keyframe_ns = packet->ready_ns;
    keyframes++;
  }
  close_world(&world);
}

/* ---- Who takes, and who does not --------------------------------------------------------------- */

static void without_outputs_nothing_is_done(void) {
  world world;
  open_world(&world, 4);
  tele_stream_settings none = H264;
  none.outputs = 0;
  open_stream(&world, &none);
  card card = grey(100);
  publish_card(&world, &card);
  expect_silence(&world, 50);
  CHECK_EQ(notify_wanted(&world), 0);
  CHECK_EQ(status_of(&world).frames_sampled, 0);
  CHECK_EQ(tele_stream_set(world.stream, &H264), 0);
  expect_packet(&world);
  while (notify_wanted(&world) == 0) usleep(500); /* for the next frame */
  CHECK_EQ(tele_stream_set(world.stream, &none), 0);
  while (notify_wanted(&world) != 0) usleep(500);
  close_world(&world);
}

static void a_full_queue_stops_encoding_and_breaks_no_chain(void) {
  world world;
  open_world(&world, 4);
  open_stream(&world, &H264);
  card card = grey(50);
  for (uint32_t frame = 1; frame <= 4; frame++) {
    card = grey((uint8_t)(50 + frame));
    publish_card(&world, &card);
    wait_for_packets(&world, frame);
  }
  for (uint32_t frame = 5; frame <= 20; frame++) {
    card = grey((uint8_t)(50 + 5 * frame));
    publish_card(&world, &card);
  }
  usleep(30000);
  CHECK_EQ(status_of(&world).packets, 4);
  CHECK_EQ(notify_wanted(&world), 0);
  for (uint32_t number = 1; number <= 5; number++) {
    const packet_header *packet = expect_packet(&world);
    CHECK_EQ(packet->number, number);
    CHECK_EQ(packet->slot.frame, number < 5 ? number : 20);
    CHECK_EQ(packet->slot.flags, number == 1 ? TELE_FRAME_KEYFRAME : 0);
    if (number == 5) {
      expect_card(&world, &card);
    } else {
      struct card each = grey((uint8_t)(50 + number));
      expect_card(&world, &each);
    }
  }
  tele_stream_status status = status_of(&world);
  CHECK(status.frames_sampled == 5 && status.frames_skipped == 15 && status.packets_dropped == 0);
  CHECK_EQ(status.last_frame, 20);
  close_world(&world);
}

static void a_small_buffer_takes_nothing(void) {
  world world;
  open_world(&world, 4);
  card card = grey(100);
  publish_card(&world, &card);
  open_stream(&world, &H264);
  wait_for_packets(&world, 1);
  uint8_t buffer[200];
  uint64_t bytes = 0;
  CHECK_EQ(tele_stream_take(world.stream, buffer, 130, &bytes), -ENOBUFS);
  CHECK(bytes > 130);
  expect_packet(&world);
  CHECK_EQ(world.packet_bytes, bytes);
  CHECK_EQ(tele_stream_take(world.stream, buffer, sizeof buffer, &bytes), 0);
  close_world(&world);
}

static void settings_without_sense_are_refused(void) {
  world world;
  open_world(&world, 4);
  tele_stream *stream;
  tele_stream_settings wrong = {.outputs = 4};
  CHECK_EQ(tele_stream_open(world.hub, 1, world.reader, world.controller, &wrong, &stream), -EINVAL);
  wrong = (tele_stream_settings){.encoder = TELE_ENCODER_JPEG};
  CHECK_EQ(tele_stream_open(world.hub, 1, world.reader, world.controller, &wrong, &stream), -EINVAL);
  open_stream(&world, &H264);
  wrong = (tele_stream_settings){.jpeg_quality = 101};
  CHECK_EQ(tele_stream_set(world.stream, &wrong), -EINVAL);
  CHECK_MESSAGE("JPEG quality is 101");
  CHECK_EQ(tele_stream_open(world.hub, 1, world.reader, NULL, &H264, &stream), -EEXIST);
  CHECK_EQ(tele_hub_add(world.hub, 1, world.reader, NULL), -EEXIST);
  close_world(&world);
}

/* ---- Sampling --------------------------------------------------------------------------------- */

static void in_order_every_frame_comes_while_the_ring_holds_it(void) {
  world world;
  open_world(&world, 16);
  tele_stream_settings in_order = H264;
  in_order.in_order = 1;
  card card = grey(60);
  publish_card(&world, &card);
  open_stream(&world, &in_order);
  wait_for_packets(&world, 1);
  for (uint64_t frame = 2; frame <= 12; frame++) publish_card(&world, &card);
  for (uint64_t frame = 1; frame <= 12; frame++) CHECK_EQ(expect_packet(&world)->slot.frame, frame);
  wait_for_packets(&world, 12);
  for (uint64_t frame = 13; frame <= 16; frame++) publish_card(&world, &card);
  wait_for_packets(&world, 16);
  for (uint64_t frame = 17; frame <= 60; frame++) publish_card(&world, &card); /* the queue is full */
  for (uint64_t frame = 13; frame <= 16; frame++) CHECK_EQ(expect_packet(&world)->slot.frame, frame);
  for (uint64_t frame = 53; frame <= 60; frame++) CHECK_EQ(expect_packet(&world)->slot.frame, frame); /* newer half */
  close_world(&world);
}

static void only_every_nth_frame_is_sampled(void) {
  world world;
  open_world(&world, 16);
  tele_stream_settings third = H264;
  third.every_nth = 3;
  third.in_order = 1;
  card card = grey(60);
  publish_card(&world, &card);
  open_stream(&world, &third);
  expect_event(&world, TELE_HUB_ENCODER);
  CHECK_EQ(expect_packet(&world)->slot.frame, 1);
  for (uint64_t frame = 2; frame <= 12; frame++) publish_card(&world, &card);
  CHECK_EQ(expect_packet(&world)->slot.frame, 4);
  CHECK_EQ(expect_packet(&world)->slot.frame, 7);
  CHECK_EQ(expect_packet(&world)->slot.frame, 10);
  expect_silence(&world, 30);
  close_world(&world);
}

/* Publishes every ms; samples must fall into the first half of their turns, and be the newest at that time. */
static void sampling_keeps_to_the_grid(void) {
  world world;
  open_world(&world, 64);
  tele_stream_settings grid = H264;
  grid.period_ns = 20 * NS_PER_MS;
  grid.phase_ns = tele_clock_mono_ns() - 7 * NS_PER_MS;
  open_stream(&world, &grid);
  card card = {.format = TELE_FORMAT_GRAY8, .width = 32, .height = 32, .shade = 80};
  uint64_t published_ns[2000] = {0}, turn_before = 0;
  unsigned packets = 0;
  for (uint64_t frame = 1; packets < 20 && frame < 2000; frame++) {
    publish_card(&world, &card);
    published_ns[frame] = tele_clock_mono_ns();
    usleep(1000);
    const packet_header *packet = take_packet(&world);
    if (packet == NULL || packets++ == 0) continue; /* the first is taken at once */
    uint64_t sampled_ns = packet->sampled_ns;
    uint64_t turn = (sampled_ns - grid.phase_ns) / grid.period_ns;
    CHECK((sampled_ns - grid.phase_ns) % grid.period_ns <= grid.period_ns / 2);
    CHECK(turn > turn_before);
    turn_before = turn;
    uint64_t next = packet->slot.frame + 1;
    if (next <= frame) CHECK(published_ns[next] >= sampled_ns); /* nothing newer was there */
  }
  CHECK_EQ(packets, 20);
  close_world(&world);
}

static void the_least_interval_is_kept(void) {
  world world;
  open_world(&world, 4);
  tele_stream_settings slow = H264;
  slow.interval_min_ns = 15 * NS_PER_MS;
  open_stream(&world, &slow);
  card card = {.format = TELE_FORMAT_GRAY8, .width = 32, .height = 32, .shade = 80};
  uint64_t sampled_ns = 0;
  for (unsigned packets = 0; packets < 10;) {
    publish_card(&world, &card);
    usleep(1000);
    const packet_header *packet = take_packet(&world);
    if (packet == NULL) continue;
    if (packets++ > 0) CHECK(packet->sampled_ns - sampled_ns >= slow.interval_min_ns);
    sampled_ns = packet->sampled_ns;
  }
  close_world(&world);
}

/* ---- Changes in mid-run ------------------------------------------------------------------------ */

static void a_change_of_size_or_format_is_a_keyframe(void) {
  world world;
  open_world(&world, 4);
  open_stream(&world, &H264);
  const card cards[] = {
      {.format = TELE_FORMAT_RGB8, .width = 64, .height = 64, .shade = 80},
      {.format = TELE_FORMAT_RGB8, .width = 320, .height = 200, .shade = 90},
      {.format = TELE_FORMAT_NV12, .width = 33, .height = 17, .shade = 100},
      {.format = TELE_FORMAT_GRAY8, .width = 128, .height = 128, .shade = 110},
  };
  uint32_t number = 0;
  for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
    for (int j = 0; j < 3; j++) {
      publish_card(&world, &cards[i]);
      const packet_header *packet = expect_packet(&world);
      CHECK_EQ(packet->slot.flags, j == 0 ? TELE_FRAME_KEYFRAME : 0);
      CHECK_EQ(packet->number, ++number);
      expect_card(&world, &cards[i]);
    }
  }
  tele_stream_status status = status_of(&world);
  CHECK(status.width == 128 && status.height == 128 && status.encoder == TELE_ENCODER_OPENH264);
  close_world(&world);
}

static void bitrate_changes_without_a_keyframe(void) {
  world world;
  open_world(&world, 4);
  tele_stream_settings settings = H264;
  open_stream(&world, &settings);
  card card = grey(90);
  for (uint32_t frame = 1; frame <= 5; frame++) {
    settings.bitrate_kbps = 400 * frame;
    CHECK_EQ(tele_stream_set(world.stream, &settings), 0);
    publish_card(&world, &card);
    CHECK_EQ(expect_packet(&world)->slot.flags, frame == 1 ? TELE_FRAME_KEYFRAME : 0);
    CHECK_EQ(status_of(&world).bitrate_kbps, 400 * frame);
  }
  close_world(&world);
}

static const test tests[] = {
    {"every format decodes to its card", every_format_decodes_to_its_card},
    {"an overlay stands behind the packet", an_overlay_stands_behind_the_packet},
    {"JPEG and H.264 show the same", jpeg_and_h264_show_the_same},
    {"a keyframe comes when asked for", a_keyframe_comes_when_asked_for},
    {"without newer frames the newest comes as a keyframe", without_newer_frames_the_newest_comes_as_a_keyframe},
    {"a picture is made again for who needs it", a_picture_is_made_again_for_who_needs_it},
    {"an output without room misses no last picture", an_output_without_room_misses_no_last_picture},
    {"a GOP brings keyframes by itself", a_gop_brings_keyframes_by_itself},
    {"without outputs nothing is done", without_outputs_nothing_is_done},
    {"a full queue stops encoding and breaks no chain", a_full_queue_stops_encoding_and_breaks_no_chain},
    {"a small buffer takes nothing", a_small_buffer_takes_nothing},
    {"settings without sense are refused", settings_without_sense_are_refused},
    {"in order every frame comes while the ring holds it", in_order_every_frame_comes_while_the_ring_holds_it},
    {"only every nth frame is sampled", only_every_nth_frame_is_sampled},
    {"sampling keeps to the grid", sampling_keeps_to_the_grid},
    {"the least interval is kept", the_least_interval_is_kept},
    {"a change of size or format is a keyframe", a_change_of_size_or_format_is_a_keyframe},
    {"bitrate changes without a keyframe", bitrate_changes_without_a_keyframe},
};
SUITE(stream, tests);
