/* Streams and what becomes of them: runs that end, encoders that fail, closing at any moment, several at once. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "stream.h"
#include "stream_world.h"

static const tele_stream_settings H264 = {.outputs = TELE_OUTPUT_H264, .encoder = TELE_ENCODER_OPENH264};
static const tele_stream_settings JPEG = {.outputs = TELE_OUTPUT_JPEG};

/* ---- Ends of runs ----------------------------------------------------------------------------- */

static void publish_and_wait(void *argument) {
  gate *ready = argument;
  world world = {.producer = open_producer(CARD_BYTES_MAX, 4), .pixels = malloc(CARD_BYTES_MAX)};
  card card = unit_card(80);
  publish_card(&world, &card);
  gate_open(ready);
  pause();
}

static void a_killed_producer_is_told_once(void) {
  gate ready = gate_make();
  pid_t pid = start_child(publish_and_wait, &ready);
  gate_pass(&ready);
  world world;
  join_world(&world);
  open_stream(&world, &JPEG);
  expect_packet(&world);
  kill_child(pid);
  expect_event(&world, TELE_HUB_DEAD);
  tele_producer *successor = open_producer(200, 4);
  expect_event(&world, TELE_HUB_REPLACED);
  expect_silence(&world, 400);
  close_world(&world);
  tele_producer_close(successor);
}

/* The last frame comes before the news that there will be none, though its turn is far off. */
static void a_closed_run_is_told_after_its_last_packet(void) {
  world world;
  open_world(&world, 4);
  card card = unit_card(80);
  publish_card(&world, &card);
  tele_stream_settings slow = JPEG;
  slow.interval_min_ns = 3600 * NS_PER_S;
  open_stream(&world, &slow);
  expect_packet(&world);
  publish_card(&world, &card);
  tele_producer_close(world.producer);
  world.producer = NULL;
  world.seen = 0;
  expect_event(&world, TELE_HUB_CLOSED);
  CHECK_EQ(world.seen, 1u << TELE_HUB_PACKET);
  const packet_header *packet = take_packet(&world);
  CHECK(packet != NULL && packet->slot.frame == 2);
  expect_silence(&world, 300);
  close_world(&world);
}

static void a_truncated_run_is_told_once_and_harms_nobody(void) {
  world world;
  open_world(&world, 4);
  card card = unit_card(80);
  publish_card(&world, &card);
  open_stream(&world, &JPEG);
  expect_packet(&world);
  int fd = open(test_segment_path(), O_RDWR);
  CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
  close(fd);
  CHECK_EQ(tele_stream_request_keyframe(world.stream, TELE_OUTPUT_JPEG), 0);
  CHECK_EQ(expect_event(&world, TELE_HUB_FAULT).detail, EFAULT);
  CHECK_EQ(tele_stream_request_keyframe(world.stream, TELE_OUTPUT_JPEG), 0);
  expect_silence(&world, 300);
  CHECK(take_packet(&world) == NULL);
  close_world(&world);
}

/* Slots that are overwritten faster than they can be converted under sanitizers would never give a picture. */
#define PUBLISH_PAUSE_US 2000

/* By us, or by writing where the segment was. */
static void publish_until_killed(void *argument) {
  gate *ready = argument;
  signal(SIGBUS, SIG_DFL);
  world world = {.producer = open_producer(CARD_BYTES_MAX, 4), .pixels = malloc(CARD_BYTES_MAX)};
  gate_open(ready);
  for (uint8_t shade = 0;; shade++, usleep(PUBLISH_PAUSE_US)) {
    card card = {.format = TELE_FORMAT_RGB8, .width = 640, .height = 480, .shade = shade};
    publish_card(&world, &card);
  }
}

static void a_run_truncated_while_it_is_encoded_harms_nobody(void) {
  uint64_t seed = 11;
  for (int round = 0; round < 10; round++) {
    gate ready = gate_make();
    pid_t pid = start_child(publish_until_killed, &ready);
    gate_pass(&ready);
    world world;
    join_world(&world);
    open_stream(&world, round % 2 == 0 ? &JPEG : &H264);
    expect_packet(&world);
    usleep((unsigned)(random_next(&seed) % 20000));
    CHECK_EQ(truncate(test_segment_path(), 16384 + (off_t)(random_next(&seed) % 1000000)), 0);
    while (take_packet(&world) != NULL) {
    }
    expect_event(&world, TELE_HUB_FAULT);
    kill_child(pid);
    close_world(&world);
    unlink(test_segment_path());
  }
}

/* Of a ring that is too small, at any moment of a conversion; a frame's step is its shade. */
static void publish_shades(void *argument) {
  gate *ready = argument;
  uint64_t state = 5;
  world world = {.producer = open_producer(CARD_BYTES_MAX, 4), .pixels = malloc(CARD_BYTES_MAX)};
  gate_open(ready);
  for (;; usleep((unsigned)(random_next(&state) % 300))) {
    card card = {.format = TELE_FORMAT_RGB8, .width = 640, .height = 480, .shade = (uint8_t)random_next(&state)};
    card.step = card.shade;
    publish_card(&world, &card);
  }
}

static void a_picture_overwritten_while_it_is_converted_is_thrown_away(void) {
  gate ready = gate_make();
  pid_t pid = start_child(publish_shades, &ready);
  gate_pass(&ready);
  world world;
  join_world(&world);
  open_stream(&world, &JPEG);
  uint64_t reads, retries = 0;
  for (int packets = 0; packets < 40 || retries < 20; packets++) {
    const packet_header *packet = expect_packet(&world);
    card card = {
        .format = TELE_FORMAT_RGB8, .width = 640, .height = 480, .shade = (uint8_t)packet->slot.step, .step = 0};
    expect_card(&world, &card);
    tele_reader_counters(world.reader, &reads, &retries);
  }
  close_world(&world);
  kill_child(pid);
}

static void a_slot_that_lies_is_a_fault(void) {
  world world;
  open_world(&world, 4);
  open_stream(&world, &JPEG);
  card card = unit_card(80);
  publish_card(&world, &card);
  expect_packet(&world);
  uint32_t width = 0;
  int fd = open(test_segment_path(), O_RDWR);
  CHECK(fd >= 0 && pwrite(fd, &width, sizeof width, TELE_HEADER_BYTES + offsetof(tele_slot_header, width)) == 4);
  close(fd);
  CHECK_EQ(tele_stream_request_keyframe(world.stream, TELE_OUTPUT_JPEG), 0);
  CHECK_EQ(expect_event(&world, TELE_HUB_FAULT).detail, EPROTO);
  close_world(&world);
}

static void write_head(const world *world, uint64_t head) {
  atomic_store_explicit(&world->reader->segment->head, head, memory_order_release);
}

/* Nor looked at again and again until head is where it was. */
static void a_head_that_goes_back_is_no_frame(void) {
  world world;
  open_world(&world, 4);
  open_stream(&world, &JPEG);
  card card = unit_card(80);
  for (int i = 0; i < 3; i++) {
    publish_card(&world, &card);
    expect_packet(&world);
  }
  write_head(&world, 1);
  CHECK_EQ(tele_stream_request_keyframe(world.stream, TELE_OUTPUT_JPEG), 0);
  uint64_t reads_before, reads, retries;
  tele_reader_counters(world.reader, &reads_before, &retries);
  expect_silence(&world, 100);
  tele_reader_counters(world.reader, &reads, &retries);
  CHECK(reads - reads_before < 10);
  write_head(&world, 3);
  publish_card(&world, &card);
  CHECK_EQ(expect_packet(&world)->slot.frame, 4);
  close_world(&world);
}

/* ---- Without a controller, without viewers ---------------------------------------------------- */

static void a_run_that_another_controls_is_polled(void) {
  world world;
  open_world(&world, 4);
  CHECK_EQ(tele_stream_open(world.hub, 1, world.reader, NULL, &JPEG, &world.stream), 0);
  for (uint8_t frame = 1; frame <= 20; frame++) {
    card card = unit_card((uint8_t)(60 + frame));
    publish_card(&world, &card);
    CHECK_EQ(expect_packet(&world)->slot.frame, frame);
    expect_card(&world, &card);
    CHECK_EQ(notify_wanted(&world), 0);
  }
  close_world(&world);
}

/* It is given back after a while, and made again with a keyframe. */
static void an_output_that_nobody_wants_has_no_encoder(void) {
  world world;
  open_world(&world, 4);
  card card = unit_card(80);
  publish_card(&world, &card);
  open_stream(&world, &H264);
  expect_packet(&world);
  CHECK_EQ(status_of(&world).encoder, TELE_ENCODER_OPENH264);
  CHECK_EQ(tele_stream_set(world.stream, &JPEG), 0);
  while (status_of(&world).encoder != TELE_ENCODER_AUTO) {
    publish_card(&world, &card);
    expect_packet(&world);
    usleep(10000);
  }
  CHECK_EQ(tele_stream_set(world.stream, &H264), 0);
  publish_card(&world, &card);
  const packet_header *packet = expect_packet(&world);
  while (packet->slot.format != TELE_FORMAT_H264) packet = expect_packet(&world);
  CHECK(packet->slot.flags == TELE_FRAME_KEYFRAME && packet->number == 2);
  close_world(&world);
}

/* ---- Closing ---------------------------------------------------------------------------------- */

static void closing_at_any_moment(void) {
  world world;
  open_world(&world, 4);
  card card = {.format = TELE_FORMAT_RGB8, .width = 320, .height = 240, .shade = 90};
  for (unsigned round = 0; round < 40; round++) {
    publish_card(&world, &card);
    tele_stream_settings both = {.outputs = TELE_OUTPUT_H264 | TELE_OUTPUT_JPEG, .encoder = TELE_ENCODER_OPENH264};
    open_stream(&world, &both);
    if (round % 2 == 1) usleep(round * 200);
    tele_stream_close(world.stream);
    tele_hub_event event;
    CHECK_EQ(tele_hub_next(world.hub, 0, &event, 1), 0); /* none of a stream that is gone */
  }
  world.stream = NULL;
  close_world(&world);
}

static void four_streams_at_once(void) {
  world world;
  open_world(&world, 4);
  tele_reader *readers[4];
  tele_stream *streams[4];
  for (uint64_t i = 0; i < 4; i++) {
    readers[i] = open_reader();
    CHECK_EQ(tele_stream_open(world.hub, i, readers[i], NULL, i % 2 == 0 ? &H264 : &JPEG, &streams[i]), 0);
  }
  for (uint64_t frame = 1; frame <= 20; frame++) {
    card card = unit_card((uint8_t)(60 + frame));
    publish_card(&world, &card);
    for (unsigned waiting = 0xf; waiting != 0;) {
      tele_hub_event events[8];
      int events_count = tele_hub_next(world.hub, 10000, events, 8);
      CHECK(events_count > 0);
      for (int i = 0; i < events_count; i++) {
        uint64_t id = events[i].stream_id;
        if (events[i].kind != TELE_HUB_PACKET) continue;
        CHECK_EQ(tele_stream_take(streams[id], world.packet, PACKET_BYTES_MAX, &world.packet_bytes), 1);
        const packet_header *packet = (const packet_header *)world.packet;
        CHECK(packet->slot.frame == frame && packet->number == frame);
        CHECK_EQ(packet->slot.format, id % 2 == 0 ? TELE_FORMAT_H264 : TELE_FORMAT_JPEG);
        if (id == 0) expect_card(&world, &card);
        waiting &= ~(1u << id);
      }
    }
  }
  for (int i = 0; i < 4; i++) {
    tele_stream_close(streams[i]);
    tele_reader_close(readers[i]);
  }
  close_world(&world);
}

/* ---- Encoders that fail ----------------------------------------------------------------------- */

static int fail_to_encode(encoder *encoder, const encoder_picture *picture, bool keyframe, access_unit *unit) {
  (void)encoder, (void)picture, (void)keyframe, (void)unit;
  return error_set(EIO, "the device is gone");
}
static int accept_config(encoder *encoder, const encoder_config *config) {
  (void)encoder, (void)config;
  return 0;
}
static void free_encoder(encoder *encoder) { free(encoder); }

/* Puts another encoder in the place of the stream's own, which sleeps meanwhile. */
static void replace_encoder(world *world, const encoder_backend *backend) {
  tele_stream_settings none = {.outputs = 0};
  CHECK_EQ(tele_stream_set(world->stream, &none), 0);
  expect_silence(world, 50);
  stream_output *output = &world->stream->outputs[OUTPUT_H264];
  output_close_encoder(output);
  output->encoder = calloc(1, sizeof *output->encoder);
  *output->encoder = (encoder){.backend = backend, .name = "Broken 1.0"};
}

static void break_encoder(world *world, tele_encoder_kind kind) {
  static encoder_backend broken;
  broken = (encoder_backend){
      .kind = kind, .name = "broken", .encode = fail_to_encode, .reconfigure = accept_config, .close = free_encoder};
  replace_encoder(world, &broken);
}

static void the_next_encoder_goes_on_where_one_failed(void) {
  world world;
  open_world(&world, 4);
  tele_stream_settings any = {.outputs = TELE_OUTPUT_H264};
  card card = unit_card(80);
  publish_card(&world, &card);
  open_stream(&world, &any);
  expect_event(&world, TELE_HUB_ENCODER);
  expect_packet(&world);
  break_encoder(&world, TELE_ENCODER_NVENC);
  CHECK_EQ(tele_stream_set(world.stream, &any), 0);
  card = unit_card(120);
  publish_card(&world, &card);
  expect_event(&world, TELE_HUB_ENCODER);
  const packet_header *packet = expect_packet(&world);
  CHECK(packet->slot.flags == TELE_FRAME_KEYFRAME && packet->number == 2);
  expect_card(&world, &card);
  tele_stream_status status = status_of(&world);
  CHECK(strstr(status.note, "Broken 1.0 failed: the device is gone") == status.note);
  CHECK(strstr(status.note, status.encoder_name) != NULL);
  close_world(&world);
}

/* A new size is a new chance. */
static void a_forced_encoder_that_fails_leaves_none(void) {
  world world;
  open_world(&world, 4);
  card card = unit_card(80);
  publish_card(&world, &card);
  open_stream(&world, &H264);
  expect_event(&world, TELE_HUB_ENCODER);
  expect_packet(&world);
  break_encoder(&world, TELE_ENCODER_OPENH264);
  CHECK_EQ(tele_stream_set(world.stream, &H264), 0);
  publish_card(&world, &card);
  CHECK_EQ(expect_event(&world, TELE_HUB_NO_ENCODER).detail, EIO);
  tele_stream_status status = status_of(&world);
  CHECK(status.encoder == TELE_ENCODER_AUTO && strstr(status.note, "the device is gone") != NULL);
  publish_card(&world, &card);
  expect_silence(&world, 50);
  card.width = 96;
  publish_card(&world, &card);
  CHECK_EQ(expect_packet(&world)->slot.flags, TELE_FRAME_KEYFRAME);
  expect_card(&world, &card);
  close_world(&world);
}

/* ---- Encoders that are slow ------------------------------------------------------------------- */

static int encode_slowly(encoder *encoder, const encoder_picture *picture, bool keyframe, access_unit *unit) {
  (void)encoder, (void)picture, (void)keyframe;
  static const uint8_t byte = 0;
  usleep(3000);
  *unit = (access_unit){.bytes = &byte, .bytes_count = 1, .keyframe = true};
  return 0;
}

static void publish_fast(void *argument) {
  gate *gates = argument;
  world world = {.producer = open_producer(CARD_BYTES_MAX, 32), .pixels = malloc(CARD_BYTES_MAX)};
  card card = unit_card(80);
  publish_card(&world, &card);
  gate_open(&gates[0]);
  gate_pass(&gates[1]);
  for (;; usleep(200)) publish_card(&world, &card);
}

static uint64_t lease_end(const world *world) {
  return atomic_load_explicit(&world->reader->segment->controller_until_ns, memory_order_relaxed);
}

/* Its thread never has to wait for a frame: the lease and the looking after the run go on all the same. */
static void a_run_faster_than_its_encoder_is_looked_after(void) {
  static const encoder_backend slow = {.kind = TELE_ENCODER_OPENH264,
                                       .name = "slow",
                                       .encode = encode_slowly,
                                       .reconfigure = accept_config,
                                       .close = free_encoder};
  gate gates[2] = {gate_make(), gate_make()}; /* published once; to go on */
  pid_t pid = start_child(publish_fast, gates);
  gate_pass(&gates[0]);
  world world;
  join_world(&world);
  uint64_t first_lease_end = lease_end(&world);
  open_stream(&world, &H264);
  expect_event(&world, TELE_HUB_ENCODER);
  expect_packet(&world);
  replace_encoder(&world, &slow);
  CHECK_EQ(tele_stream_set(world.stream, &H264), 0);
  gate_open(&gates[1]);
  CHECK_EQ(unlink(test_segment_path()), 0);
  tele_producer *successor = open_producer(200, 4);
  bool replaced = false;
  while (!replaced || lease_end(&world) < first_lease_end + NS_PER_S) {
    tele_hub_event event;
    CHECK(lease_end(&world) > tele_clock_mono_ns());
    CHECK_EQ(tele_hub_next(world.hub, 1000, &event, 1), 1);
    replaced = replaced || event.kind == TELE_HUB_REPLACED;
    while (take_packet(&world) != NULL) {
    }
  }
  close_world(&world);
  kill_child(pid);
  tele_producer_close(successor);
}

static const test tests[] = {
    {"a killed producer is told once", a_killed_producer_is_told_once},
    {"a closed run is told after its last packet", a_closed_run_is_told_after_its_last_packet},
    {"a truncated run is told once and harms nobody", a_truncated_run_is_told_once_and_harms_nobody},
    {"a run truncated while it is encoded harms nobody", a_run_truncated_while_it_is_encoded_harms_nobody},
    {"a run faster than its encoder is looked after", a_run_faster_than_its_encoder_is_looked_after},
    {"a run that another controls is polled", a_run_that_another_controls_is_polled},
    {"an output that nobody wants has no encoder", an_output_that_nobody_wants_has_no_encoder},
    {"a picture overwritten while it is converted is thrown away",
     a_picture_overwritten_while_it_is_converted_is_thrown_away},
    {"a slot that lies is a fault", a_slot_that_lies_is_a_fault},
    {"a head that goes back is no frame", a_head_that_goes_back_is_no_frame},
    {"closing at any moment", closing_at_any_moment},
    {"four streams at once", four_streams_at_once},
    {"the next encoder goes on where one failed", the_next_encoder_goes_on_where_one_failed},
    {"a forced encoder that fails leaves none", a_forced_encoder_that_fails_leaves_none},
};
SUITE(stream_life, tests);
