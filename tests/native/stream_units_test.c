/* Streams of runs that publish H.264 or JPEG themselves, and snapshots of every kind of run. */
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "reader.h"
#include "stream_world.h"

static const tele_stream_settings PASSED = {.outputs = TELE_OUTPUT_H264};

static uint32_t keyframe_requests(const world *world) {
  return atomic_load_explicit(&world->reader->segment->keyframe_requests, memory_order_relaxed);
}

static void publish_shades(world *world, uint8_t first, unsigned units_count) {
  for (unsigned i = 0; i < units_count; i++) publish_unit(world, (uint8_t)(first + i), i == 0);
}

/* ---- The H.264 output ------------------------------------------------------------------------- */

static void access_units_pass_untouched(void) {
  world world;
  open_world(&world, 16);
  publish_shades(&world, 60, 4);
  open_stream(&world, &PASSED);
  for (uint32_t number = 1; number <= 8; number++) {
    if (number > 4) publish_unit(&world, (uint8_t)(59 + number), false);
    const packet_header *packet = expect_packet(&world);
    uint8_t copy[4096];
    uint64_t copy_bytes;
    CHECK_EQ(tele_reader_read(world.reader, number - 1, TELE_READ_NEXT, copy, sizeof copy, &copy_bytes), 1);
    CHECK(packet->number == number && packet->slot.frame == number && packet->slot.format == TELE_FORMAT_H264);
    CHECK_EQ(packet->slot.flags, number == 1 ? TELE_FRAME_KEYFRAME : 0);
    CHECK_EQ(world.packet_bytes, copy_bytes);
    CHECK(memcmp(packet + 1, copy + sizeof *packet, copy_bytes - sizeof *packet) == 0);
    card card = unit_card((uint8_t)(59 + number));
    expect_card(&world, &card);
  }
  if ((world.seen & 1u << TELE_HUB_ENCODER) == 0) expect_event(&world, TELE_HUB_ENCODER);
  tele_stream_status status = status_of(&world);
  CHECK(status.encoder == TELE_ENCODER_PASSED && status.encode_ns == 0 && status.packets_dropped == 0);
  CHECK_EQ(keyframe_requests(&world), 0);
  close_world(&world);
}

static void a_stream_begins_with_the_newest_keyframe(void) {
  world world;
  open_world(&world, 16);
  publish_shades(&world, 60, 5);
  publish_shades(&world, 100, 3);
  open_stream(&world, &PASSED);
  for (uint32_t number = 1; number <= 3; number++) {
    CHECK_EQ(expect_packet(&world)->slot.frame, 5 + number);
    card card = unit_card((uint8_t)(99 + number));
    expect_card(&world, &card);
  }
  close_world(&world);
}

static void without_a_keyframe_the_producer_is_asked(void) {
  world world;
  open_world(&world, 4);
  publish_shades(&world, 60, 7); /* the keyframe is overwritten */
  open_stream(&world, &PASSED);
  expect_event(&world, TELE_HUB_ENCODER);
  while (keyframe_requests(&world) == 0) usleep(500);
  publish_unit(&world, 90, false);
  expect_silence(&world, 20);
  publish_unit(&world, 110, true);
  const packet_header *packet = expect_packet(&world);
  CHECK(packet->slot.frame == 9 && packet->slot.flags == TELE_FRAME_KEYFRAME);
  card card = unit_card(110);
  expect_card(&world, &card);
  CHECK_EQ(keyframe_requests(&world), 1);
  close_world(&world);
}

/* Nobody takes for a while: the queue keeps four, the ring the newest, and what is lost between shows in the numbers.
 */
static void a_lapped_chain_goes_on_with_a_keyframe_and_a_gap(void) {
  world world;
  open_world(&world, 4);
  publish_shades(&world, 60, 1);
  open_stream(&world, &PASSED);
  wait_for_packets(&world, 1);
  for (uint8_t i = 1; i < 4; i++) {
    publish_unit(&world, (uint8_t)(60 + i), false);
    wait_for_packets(&world, 1u + i);
  }
  for (uint8_t i = 4; i < 20; i++) publish_unit(&world, (uint8_t)(60 + i), false);
  for (uint32_t number = 1; number <= 4; number++) {
    CHECK_EQ(expect_packet(&world)->number, number);
    card card = unit_card((uint8_t)(59 + number));
    expect_card(&world, &card);
  }
  while (keyframe_requests(&world) == 0) usleep(500);
  publish_unit(&world, 150, true);
  const packet_header *packet = expect_packet(&world);
  CHECK(packet->slot.frame == 21 && packet->slot.flags == TELE_FRAME_KEYFRAME && packet->number == 21);
  card card = unit_card(150);
  expect_card(&world, &card);
  CHECK_EQ(status_of(&world).packets_dropped, 16);
  publish_unit(&world, 155, false);
  CHECK_EQ(expect_packet(&world)->number, 22);
  close_world(&world);
}

/* The ring holds all that was missed, and a keyframe to go on with. */
static void who_is_behind_goes_on_with_a_newer_keyframe(void) {
  world world;
  open_world(&world, 64);
  tele_stream_settings none = PASSED;
  none.outputs = 0;
  publish_shades(&world, 60, 1);
  open_stream(&world, &PASSED);
  expect_packet(&world);
  CHECK_EQ(tele_stream_set(world.stream, &none), 0);
  for (uint8_t i = 0; i < 10; i++) publish_unit(&world, 70, false);
  publish_shades(&world, 120, 2);
  CHECK_EQ(tele_stream_set(world.stream, &PASSED), 0);
  const packet_header *packet = expect_packet(&world);
  CHECK(packet->slot.frame == 12 && packet->number == 12 && packet->slot.flags == TELE_FRAME_KEYFRAME);
  CHECK_EQ(expect_packet(&world)->number, 13);
  CHECK_EQ(status_of(&world).packets_dropped, 10);
  close_world(&world);
}

static void a_keyframe_is_asked_of_the_producer(void) {
  world world;
  open_world(&world, 16);
  publish_shades(&world, 60, 1);
  open_stream(&world, &PASSED);
  expect_packet(&world);
  for (int i = 0; i < 20; i++) CHECK_EQ(tele_stream_request_keyframe(world.stream, TELE_OUTPUT_H264), 0);
  while (keyframe_requests(&world) == 0) usleep(500);
  publish_unit(&world, 61, false);
  CHECK_EQ(expect_packet(&world)->slot.flags, 0);
  CHECK_EQ(keyframe_requests(&world), 1);
  publish_unit(&world, 62, true);
  CHECK_EQ(expect_packet(&world)->number, 3);
  close_world(&world);
}

/* A paused run answers no request, and who came last needs a picture all the same. */
static void a_run_that_stands_still_is_passed_once_more(void) {
  world world;
  open_world(&world, 16);
  publish_shades(&world, 60, 3);
  open_stream(&world, &PASSED);
  for (int i = 0; i < 3; i++) expect_packet(&world);
  CHECK_EQ(tele_stream_request_keyframe(world.stream, TELE_OUTPUT_H264), 0);
  for (uint32_t frame = 1; frame <= 3; frame++) {
    const packet_header *packet = expect_packet(&world);
    CHECK(packet->slot.frame == frame && packet->number == 3 + frame);
    card card = unit_card((uint8_t)(59 + frame));
    expect_card(&world, &card);
  }
  CHECK_EQ(status_of(&world).frames_sampled, 3);
  CHECK_EQ(atomic_load_explicit(&world.reader->segment->tail, memory_order_relaxed), 3);
  expect_silence(&world, 300);
  close_world(&world);
}

/* ---- The JPEG output -------------------------------------------------------------------------- */

static void access_units_become_jpegs(void) {
  world world;
  open_world(&world, 32);
  tele_stream_settings jpeg = {.outputs = TELE_OUTPUT_JPEG, .jpeg_quality = 95};
  publish_shades(&world, 60, 20);
  open_stream(&world, &jpeg);
  const packet_header *packet = expect_packet(&world);
  CHECK(packet->slot.format == TELE_FORMAT_JPEG && packet->slot.frame == 20 && packet->number == 1);
  card card = unit_card(79);
  expect_card(&world, &card);
  for (uint8_t shade = 80; shade < 90; shade++) {
    publish_unit(&world, shade, false);
    CHECK_EQ(expect_packet(&world)->slot.frame, shade - 59u);
    card = unit_card(shade);
    expect_card(&world, &card);
  }
  CHECK_EQ(tele_stream_request_keyframe(world.stream, TELE_OUTPUT_JPEG), 0);
  CHECK_EQ(expect_packet(&world)->slot.frame, 30);
  expect_card(&world, &card);
  tele_stream_status status = status_of(&world);
  CHECK(status.decode_ns > 0 && status.packets == 12);
  close_world(&world);
}

/* The size is what the access unit says, whatever its frame's header does. */
static void a_jpeg_has_the_size_of_its_picture(void) {
  world world;
  open_world(&world, 16);
  publish_unit(&world, 90, true);
  uint64_t bytes;
  CHECK_EQ(tele_reader_read(world.reader, 0, TELE_READ_NEWEST, world.packet, PACKET_BYTES_MAX, &bytes), 1);
  tele_frame larger = {.pixels = world.packet + TELE_SLOT_HEADER_BYTES,
                       .bytes = bytes - TELE_SLOT_HEADER_BYTES,
                       .width = 1920,
                       .height = 1080,
                       .format = TELE_FORMAT_H264,
                       .flags = TELE_FRAME_KEYFRAME};
  CHECK_EQ(tele_producer_publish(world.producer, &larger), 0);
  tele_stream_settings jpeg = {.outputs = TELE_OUTPUT_JPEG};
  open_stream(&world, &jpeg);
  const packet_header *packet = expect_packet(&world);
  CHECK(packet->slot.frame == 2 && packet->slot.width == 64 && packet->slot.height == 48);
  card card = unit_card(90);
  expect_card(&world, &card);
  close_world(&world);
}

static void publish_garbage(world *world) {
  static const uint8_t garbage[] = {0, 0, 0, 1, 0x41, 0xff, 0xff, 0xff, 0xff, 0xff};
  tele_frame frame = {
      .pixels = garbage, .bytes = sizeof garbage, .width = 64, .height = 48, .format = TELE_FORMAT_H264};
  CHECK_EQ(tele_producer_publish(world->producer, &frame), 0);
}

/* A producer whose GOP never ends would send no keyframe by itself. */
static void after_damage_the_producer_is_asked(void) {
  world world;
  open_world(&world, 16);
  tele_stream_settings jpeg = {.outputs = TELE_OUTPUT_JPEG};
  open_stream(&world, &jpeg);
  publish_shades(&world, 60, 1);
  expect_event(&world, TELE_HUB_ENCODER);
  expect_packet(&world);
  publish_garbage(&world);
  while (keyframe_requests(&world) == 0) usleep(500);
  publish_unit(&world, 90, false);
  expect_silence(&world, 300);
  CHECK_EQ(keyframe_requests(&world), 1);
  publish_unit(&world, 120, true);
  card card = unit_card(120);
  expect_packet(&world);
  expect_card(&world, &card);
  close_world(&world);
}

/* What never was a picture is no damage, and asking for keyframes would not help. */
static void what_cannot_be_decoded_is_not_asked_for(void) {
  world world;
  open_world(&world, 16);
  tele_stream_settings jpeg = {.outputs = TELE_OUTPUT_JPEG};
  open_stream(&world, &jpeg);
  static const uint8_t garbage[] = {0, 0, 0, 1, 0x65, 0xff, 0xff, 0xff, 0xff, 0xff};
  tele_frame keyframe = {.pixels = garbage,
                         .bytes = sizeof garbage,
                         .width = 64,
                         .height = 48,
                         .format = TELE_FORMAT_H264,
                         .flags = TELE_FRAME_KEYFRAME};
  CHECK_EQ(tele_producer_publish(world.producer, &keyframe), 0);
  expect_event(&world, TELE_HUB_ENCODER);
  for (int i = 0; i < 3; i++) publish_garbage(&world);
  expect_silence(&world, 300);
  CHECK_EQ(keyframe_requests(&world), 0);
  close_world(&world);
}

static void both_outputs_of_access_units(void) {
  world world;
  open_world(&world, 16);
  tele_stream_settings both = {.outputs = TELE_OUTPUT_H264 | TELE_OUTPUT_JPEG};
  open_stream(&world, &both);
  for (uint8_t shade = 60; shade < 70; shade++) {
    publish_unit(&world, shade, shade == 60);
    uint32_t formats = 0;
    for (int i = 0; i < 2; i++) {
      formats |= 1u << expect_packet(&world)->slot.format;
      card card = unit_card(shade);
      expect_card(&world, &card);
    }
    CHECK_EQ(formats, 1u << TELE_FORMAT_H264 | 1u << TELE_FORMAT_JPEG);
  }
  close_world(&world);
}

static void jpegs_pass_and_have_no_other_output(void) {
  world world;
  open_world(&world, 4);
  publish_jpeg(&world, 100);
  tele_stream_settings both = {.outputs = TELE_OUTPUT_H264 | TELE_OUTPUT_JPEG};
  open_stream(&world, &both);
  tele_hub_event event = expect_event(&world, TELE_HUB_NO_ENCODER);
  CHECK_EQ(event.detail, ENOTSUP);
  CHECK_EQ(event.head, TELE_OUTPUT_H264);
  for (uint32_t frame = 1; frame <= 3; frame++) {
    const packet_header *packet = expect_packet(&world);
    CHECK(packet->slot.format == TELE_FORMAT_JPEG && packet->number == frame && packet->slot.frame == frame);
    card card = unit_card(100);
    expect_card(&world, &card);
    publish_jpeg(&world, 100);
  }
  close_world(&world);
}

static void a_run_may_change_what_it_publishes(void) {
  world world;
  open_world(&world, 8);
  tele_stream_settings settings = {.outputs = TELE_OUTPUT_H264, .encoder = TELE_ENCODER_OPENH264};
  open_stream(&world, &settings);
  card raw = unit_card(80), unit = unit_card(120);
  uint32_t number = 0;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 2; i++) {
      publish_card(&world, &raw);
      const packet_header *packet = expect_packet(&world);
      CHECK_EQ(packet->slot.flags, i == 0 ? TELE_FRAME_KEYFRAME : 0);
      CHECK(packet->number > number);
      number = packet->number;
      expect_card(&world, &raw);
    }
    CHECK_EQ(status_of(&world).encoder, TELE_ENCODER_OPENH264);
    for (int i = 0; i < 2; i++) {
      publish_unit(&world, 120, i == 0);
      const packet_header *packet = expect_packet(&world);
      CHECK_EQ(packet->slot.flags, i == 0 ? TELE_FRAME_KEYFRAME : 0);
      CHECK(packet->number > number);
      number = packet->number;
      expect_card(&world, &unit);
    }
    CHECK_EQ(status_of(&world).encoder, TELE_ENCODER_PASSED);
    publish_jpeg(&world, 90); /* nothing for this output, until the next picture */
    expect_event(&world, TELE_HUB_NO_ENCODER);
  }
  close_world(&world);
}

/* Pictures in order, with a unit between them that nobody could take. */
static void a_unit_between_pictures_is_passed_over(void) {
  world world;
  open_world(&world, 8);
  tele_stream_settings settings = {.outputs = TELE_OUTPUT_H264, .encoder = TELE_ENCODER_OPENH264, .in_order = 1};
  card first = unit_card(80), second = unit_card(140);
  publish_card(&world, &first);
  open_stream(&world, &settings);
  expect_packet(&world);
  expect_card(&world, &first);
  settings.outputs = 0;
  CHECK_EQ(tele_stream_set(world.stream, &settings), 0);
  publish_unit(&world, 100, true);
  publish_card(&world, &second);
  settings.outputs = TELE_OUTPUT_H264;
  CHECK_EQ(tele_stream_set(world.stream, &settings), 0);
  CHECK_EQ(expect_packet(&world)->slot.frame, 3);
  expect_card(&world, &second);
  close_world(&world);
}

/* ---- Snapshots -------------------------------------------------------------------------------- */

static void expect_snapshot(world *world, uint8_t shade) {
  uint64_t bytes = 0;
  packet_header *packet = (packet_header *)world->packet;
  CHECK_EQ(tele_reader_snapshot(world->reader, 90, 10000, packet + 1, PACKET_BYTES_MAX - sizeof *packet, &bytes), 0);
  *packet = (packet_header){.slot = {.format = TELE_FORMAT_JPEG, .bytes = (uint32_t)bytes}};
  card card = unit_card(shade);
  expect_card(world, &card);
}

static void every_run_has_snapshots(void) {
  world world;
  open_world(&world, 16);
  uint8_t small[16];
  uint64_t bytes = 0;
  CHECK_EQ(tele_reader_snapshot(world.reader, 90, 0, small, sizeof small, &bytes), -ENOENT);
  card card = unit_card(70);
  publish_card(&world, &card);
  expect_snapshot(&world, 70);
  publish_jpeg(&world, 95);
  expect_snapshot(&world, 95);
  publish_shades(&world, 120, 10);
  expect_snapshot(&world, 129);
  CHECK_EQ(tele_reader_snapshot(world.reader, 90, 0, small, sizeof small, &bytes), -ENOBUFS);
  CHECK(bytes > sizeof small);
  CHECK_EQ(tele_reader_snapshot(world.reader, 0, 0, small, sizeof small, &bytes), -EINVAL);
  close_world(&world);
}

static void answer_a_request(void *argument) {
  gate *gates = argument;
  world world = {.producer = open_producer(CARD_BYTES_MAX, 4), .pixels = malloc(CARD_BYTES_MAX)};
  publish_shades(&world, 60, 6);
  gate_open(&gates[0]);
  tele_controls controls = {.keyframe_requests = 0};
  while (controls.keyframe_requests == 0) {
    usleep(1000);
    tele_producer_controls(world.producer, &controls);
  }
  publish_unit(&world, 140, true);
  gate_pass(&gates[1]);
}

static void a_snapshot_waits_for_the_keyframe_that_it_asked_for(void) {
  gate gates[2] = {gate_make(), gate_make()};
  pid_t pid = start_child(answer_a_request, gates);
  gate_pass(&gates[0]);
  world world;
  join_world(&world);
  expect_snapshot(&world, 140);
  gate_open(&gates[1]);
  kill_child(pid);
  close_world(&world);
}

static void a_snapshot_without_a_keyframe_times_out(void) {
  world world;
  open_world(&world, 4);
  publish_shades(&world, 60, 6);
  uint64_t bytes = 0;
  CHECK_EQ(tele_reader_snapshot(world.reader, 90, 20, world.packet, PACKET_BYTES_MAX, &bytes), -ETIMEDOUT);
  uint32_t requests = keyframe_requests(&world);
  CHECK(requests > 0);
  publish_unit(&world, 90, true);
  expect_snapshot(&world, 90);
  publish_garbage(&world);
  CHECK_EQ(tele_reader_snapshot(world.reader, 90, 20, world.packet, PACKET_BYTES_MAX, &bytes), -ETIMEDOUT);
  CHECK(keyframe_requests(&world) > requests);
  close_world(&world);
}

static const test tests[] = {
    {"access units pass untouched", access_units_pass_untouched},
    {"a stream begins with the newest keyframe", a_stream_begins_with_the_newest_keyframe},
    {"without a keyframe the producer is asked", without_a_keyframe_the_producer_is_asked},
    {"a lapped chain goes on with a keyframe and a gap", a_lapped_chain_goes_on_with_a_keyframe_and_a_gap},
    {"who is behind goes on with a newer keyframe", who_is_behind_goes_on_with_a_newer_keyframe},
    {"a keyframe is asked of the producer", a_keyframe_is_asked_of_the_producer},
    {"a run that stands still is passed once more", a_run_that_stands_still_is_passed_once_more},
    {"access units become JPEGs", access_units_become_jpegs},
    {"a JPEG has the size of its picture", a_jpeg_has_the_size_of_its_picture},
    {"after damage the producer is asked", after_damage_the_producer_is_asked},
    {"what cannot be decoded is not asked for", what_cannot_be_decoded_is_not_asked_for},
    {"both outputs of access units", both_outputs_of_access_units},
    {"JPEGs pass and have no other output", jpegs_pass_and_have_no_other_output},
    {"a run may change what it publishes", a_run_may_change_what_it_publishes},
    {"a unit between pictures is passed over", a_unit_between_pictures_is_passed_over},
    {"every run has snapshots", every_run_has_snapshots},
    {"a snapshot waits for the keyframe that it asked for", a_snapshot_waits_for_the_keyframe_that_it_asked_for},
    {"a snapshot without a keyframe times out", a_snapshot_without_a_keyframe_times_out},
};
SUITE(stream_units, tests);
