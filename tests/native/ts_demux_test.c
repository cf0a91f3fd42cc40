/* A transport stream's units come out as they went in, whoever muxed it, and as soon as they are there. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "source_stream.h"
#include "stream_text.h"
#include "ts_demux.h"

#define UNIT_BYTES_MAX (1u << 20)

/* What comes of it, in the order of what went in: units that FFmpeg muxed have a delimiter in front. */
typedef struct expected {
  const stream_text *text;
  uint32_t next;
} expected;

static int expect_unit(void *context, const tele_access_unit *unit, uint64_t began_ns) {
  expected *expected = context;
  const stream_text *text = expected->text;
  const uint32_t index = expected->next++;
  CHECK(index < text->units_count && began_ns > 0);
  const size_t bytes_count = text->begins[index + 1] - text->begins[index];
  CHECK(unit->bytes_count >= bytes_count && unit->bytes_count <= bytes_count + 6);
  const uint8_t *end = unit->bytes + unit->bytes_count;
  /* The first start code may have got shorter or longer. */
  CHECK_EQ(memcmp(end - bytes_count + 4, text->bytes + text->begins[index] + 4, bytes_count - 4), 0);
  CHECK_EQ(unit->flags & ~(uint32_t)TELE_UNIT_AFTER_LOSS, text->flags[index]);
  return 0;
}

static source_stream *open_stream(expected *expected) {
  source_stream *stream;
  CHECK_EQ(source_stream_open("a test", UNIT_BYTES_MAX, expect_unit, expected, &stream), 0);
  return stream;
}

/* A file that ends with the test. */
static int temporary_file(char *path, size_t path_bytes) {
  snprintf(path, path_bytes, "/tmp/telebridge-ts-XXXXXX");
  const int fd = mkstemp(path);
  CHECK(fd >= 0);
  return fd;
}

/* The stream through FFmpeg's muxer, with these options of it. */
static uint8_t *mux_by_ffmpeg(const stream_text *text, const char *options, size_t *bytes_count) {
  if (system("ffmpeg -version >/dev/null 2>&1") != 0) skip_test("FFmpeg is not installed");
  char path[64], command[256];
  const int fd = temporary_file(path, sizeof path);
  CHECK_EQ(write(fd, text->bytes, text->bytes_count), (ssize_t)text->bytes_count);
  close(fd);
  snprintf(command, sizeof command, "ffmpeg -loglevel error -framerate 30 -f h264 -i %s -c copy %s -f mpegts -", path,
           options);
  FILE *pipe = popen(command, "r");
  CHECK(pipe != NULL);
  uint8_t *bytes = malloc(8u << 20);
  CHECK(bytes != NULL);
  *bytes_count = fread(bytes, 1, 8u << 20, pipe);
  CHECK_EQ(pclose(pipe), 0);
  unlink(path);
  CHECK(*bytes_count > text->bytes_count);
  return bytes;
}

static void expect_all(const stream_text *text, const uint8_t *ts, size_t ts_bytes, size_t piece_bytes) {
  expected expected = {.text = text};
  source_stream *stream = open_stream(&expected);
  for (size_t at = 0; at < ts_bytes; at += piece_bytes) {
    const size_t rest = ts_bytes - at;
    CHECK_EQ(source_stream_push(stream, ts + at, rest < piece_bytes ? rest : piece_bytes, 1 + at), 0);
  }
  CHECK_EQ(source_stream_end(stream), 0);
  CHECK_EQ(expected.next, text->units_count);
  source_stream_close(stream);
}

static void ffmpegs_streams_come_out_as_they_went_in(void) {
  static const char *const options[] = {"", "-omit_video_pes_length 0", "-muxrate 8M", "-mpegts_flags resend_headers"};
  stream_text text = stream_text_encoded(&encoder_openh264, 162, 98, 20);
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
    size_t ts_bytes;
    uint8_t *ts = mux_by_ffmpeg(&text, options[i], &ts_bytes);
    const size_t pieces[] = {1, 7, 187, 188, 189, 4096, 1u << 23};
    for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) expect_all(&text, ts, ts_bytes, pieces[k]);
    free(ts);
  }
  free(text.bytes);
}

/* By our own muxer: what went in, and where each unit's packets end. */
typedef struct muxed {
  uint8_t *bytes;
  size_t ends[UNITS_MAX];
  size_t bytes_count;
} muxed;

static muxed mux(const stream_text *text) {
  tele_ts_mux *mux;
  CHECK_EQ(tele_ts_mux_open(&mux), 0);
  muxed muxed = {.bytes = malloc(4u << 20)};
  CHECK(muxed.bytes != NULL);
  for (uint32_t i = 0; i < text->units_count; i++) {
    uint64_t ts_bytes;
    CHECK_EQ(tele_ts_mux_pack(mux, text->bytes + text->begins[i], text->begins[i + 1] - text->begins[i],
                              text->flags[i] & TELE_FRAME_KEYFRAME, (i + 1) * UINT64_C(33000000),
                              muxed.bytes + muxed.bytes_count, (4u << 20) - muxed.bytes_count, &ts_bytes),
             0);
    muxed.ends[i] = muxed.bytes_count += ts_bytes;
  }
  tele_ts_mux_close(mux);
  return muxed;
}

static void a_unit_is_there_with_its_last_packet(void) {
  stream_text text = stream_text_encoded(&encoder_openh264, 162, 98, 20);
  muxed muxed = mux(&text);
  expected expected = {.text = &text};
  source_stream *stream = open_stream(&expected);
  for (uint32_t i = 0; i < text.units_count; i++) {
    const size_t begin = i == 0 ? 0 : muxed.ends[i - 1];
    CHECK_EQ(source_stream_push(stream, muxed.bytes + begin, muxed.ends[i] - begin, i + 1), 0);
    CHECK_EQ(expected.next, i + 1);
  }
  source_stream_close(stream);
  free(muxed.bytes);
  free(text.bytes);
}

/* Behind a line of text, and from the middle of a packet on. */
static void a_stream_is_found_behind_other_bytes(void) {
  stream_text text = stream_text_encoded(&encoder_openh264, 162, 98, 20);
  muxed muxed = mux(&text);
  static const char greeting[] = "Hello! GGGG this is a camera\n";
  uint8_t *behind = malloc(muxed.bytes_count + sizeof greeting);
  CHECK(behind != NULL);
  memcpy(behind, greeting, sizeof greeting);
  memcpy(behind + sizeof greeting, muxed.bytes, muxed.bytes_count);
  expect_all(&text, behind, muxed.bytes_count + sizeof greeting, 100);
  /* Its first group is lost then. */
  expected expected = {.text = &text, .next = 5};
  source_stream *stream = open_stream(&expected);
  CHECK_EQ(source_stream_push(stream, muxed.bytes + 100, muxed.bytes_count - 100, 1), 0);
  CHECK_EQ(expected.next, text.units_count);
  source_stream_close(stream);
  free(behind);
  free(muxed.bytes);
  free(text.bytes);
}

/* Damaged units, and those that need them, are not given out: the next keyframe goes on. */
static void after_a_lost_packet_a_keyframe_goes_on(void) {
  stream_text text = stream_text_encoded(&encoder_openh264, 162, 98, 20);
  muxed muxed = mux(&text);
  for (uint32_t damaged = 0; damaged < 5; damaged++) {
    const size_t gap = muxed.ends[5 + damaged] - TS_PACKET_BYTES * (1 + damaged % 2);
    expected expected = {.text = &text};
    source_stream *stream = open_stream(&expected);
    CHECK_EQ(source_stream_push(stream, muxed.bytes, gap, 1), 0);
    CHECK_EQ(expected.next, 5 + damaged);
    expected.next = 10;
    const size_t from = gap + TS_PACKET_BYTES;
    CHECK_EQ(source_stream_push(stream, muxed.bytes + from, muxed.bytes_count - from, 2), 0);
    CHECK_EQ(expected.next, text.units_count);
    source_stream_close(stream);
  }
  free(muxed.bytes);
  free(text.bytes);
}

static void other_streams_are_named(void) {
  static const struct {
    const char *arguments;
    const char *message;
  } cases[] = {
      {"-c:v mpeg2video -f mpegts", "it has: MPEG-2 video"},
      {"-c:v libx264 -pix_fmt yuv444p -f h264", "-pix_fmt yuv420p"},
      {"-c:v libx264 -movflags frag_keyframe+empty_moov -f mp4", "it is MP4"},
      {"-c:v libx264 -f matroska", "it is Matroska"},
      {"-c:v mjpeg -f mjpeg", "it is JPEG"},
  };
  if (system("ffmpeg -version >/dev/null 2>&1") != 0) skip_test("FFmpeg is not installed");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char command[256];
    snprintf(command, sizeof command,
             "ffmpeg -loglevel quiet -f lavfi -i testsrc=size=320x180 -frames:v 5 %s - </dev/null", cases[i].arguments);
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL);
    expected nothing = {.text = &(stream_text){.units_count = 0}};
    source_stream *stream = open_stream(&nothing);
    uint8_t bytes[65536];
    int result = 0;
    /* As often as it takes: what is no H.264 is refused after some MiB. */
    size_t got = fread(bytes, 1, sizeof bytes, pipe);
    CHECK(got > 1000);
    for (size_t pushed = 0; pushed < 20u << 20 && result == 0; pushed += got)
      result = source_stream_push(stream, bytes, got, 1);
    CHECK(result == -EPROTO || result == -ENOTSUP);
    CHECK_MESSAGE(cases[i].message);
    source_stream_close(stream);
    pclose(pipe);
  }
}

static int ignore_unit(void *context, const tele_access_unit *unit, uint64_t began_ns) {
  (void)context, (void)unit, (void)began_ns;
  return 0;
}

/* Packets of a real stream with bytes changed, repeated and left out. */
static void noise_does_no_harm(void) {
  stream_text text = stream_text_encoded(&encoder_openh264, 162, 98, 20);
  muxed muxed = mux(&text);
  uint64_t state = 0x5EED0007;
  for (int round = 0; round < 60; round++) {
    source_stream *stream;
    CHECK_EQ(source_stream_open("noise", 20000, ignore_unit, NULL, &stream), 0);
    int result = 0;
    for (size_t at = 0; at < muxed.bytes_count && (result == 0 || result == -EMSGSIZE);) {
      uint8_t packet[TS_PACKET_BYTES + 8];
      const uint64_t random = random_next(&state) >> 8;
      size_t bytes_count = random % 50 == 0 ? 1 + random / 50 % sizeof packet : TS_PACKET_BYTES;
      if (bytes_count > muxed.bytes_count - at) bytes_count = muxed.bytes_count - at;
      memcpy(packet, muxed.bytes + at, bytes_count);
      for (uint64_t k = random / 7 % 3; k > 0; k--) packet[random_next(&state) % 12 % bytes_count] ^= (uint8_t)random;
      result = source_stream_push(stream, packet, bytes_count, 1);
      if (random % 31 != 0) at += bytes_count;
      if (random % 64 == 0) source_stream_quiet(stream);
    }
    source_stream_close(stream);
  }
  free(muxed.bytes);
  free(text.bytes);
}

static const test tests[] = {
    {"FFmpeg's streams come out as they went in", ffmpegs_streams_come_out_as_they_went_in},
    {"a unit is there with its last packet", a_unit_is_there_with_its_last_packet},
    {"a stream is found behind other bytes", a_stream_is_found_behind_other_bytes},
    {"after a lost packet a keyframe goes on", after_a_lost_packet_a_keyframe_goes_on},
    {"other streams are named", other_streams_are_named},
    {"noise does no harm", noise_does_no_harm},
};
SUITE(transport, tests);
