/* Frames go in and come out as they were; what does not fit or contradicts itself is refused. */
#include <math.h>
#include <stdlib.h>

#include "harness.h"
#include "picture.h"

#define SIDE_MAX 40u
#define BUFFER_BYTES (256 * 1024)

static void fill_random(uint8_t *bytes, size_t count, uint64_t *seed) {
  for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)random_next(seed);
}

/* Every raw format, odd and even sizes, with and without row padding: the bytes and every field come back. */
static void every_format_comes_back(void) {
  static uint8_t pixels[BUFFER_BYTES], buffer[BUFFER_BYTES];
  uint64_t seed = 7, after = 0, bytes;
  tele_producer *producer = open_producer(100 * 1000, 4);
  tele_reader *reader = open_reader();
  for (uint32_t format = TELE_FORMAT_RGB8; format <= TELE_FORMAT_I420; format++) {
    for (uint32_t width = 1; width <= SIDE_MAX; width += 13) {
      for (uint32_t padding = 0; padding <= 6; padding += 3) {
        uint32_t height = width + 1 + padding;
        uint32_t stride = padding == 0 ? 0 : picture_stride_min(format, width) + padding;
        uint32_t stride_expected = stride == 0 ? picture_stride_min(format, width) : stride;
        uint64_t bytes_expected = picture_bytes(format, stride_expected, height);
        fill_random(pixels, bytes_expected, &seed);
        tele_frame frame = {.pixels = pixels,
                            .width = width,
                            .height = height,
                            .format = format,
                            .stride = stride,
                            .step = after * 3,
                            .episode = after,
                            .reward = (double)after / 2,
                            .t_mono_ns = 11,
                            .t_real_ns = 22,
                            .flags = TELE_FRAME_KEYFRAME};
        CHECK_EQ(tele_producer_publish(producer, &frame), 0);
        CHECK_EQ(tele_reader_read(reader, after, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 1);
        after++;
        const tele_slot_header *header = (const void *)buffer;
        CHECK_EQ(bytes, TELE_SLOT_HEADER_BYTES + bytes_expected);
        CHECK_EQ(header->seq, 2 * after);
        CHECK_EQ(header->frame, after);
        CHECK_EQ(header->step, frame.step);
        CHECK_EQ(header->episode, frame.episode);
        CHECK(header->reward == frame.reward);
        CHECK(header->t_mono_ns == 11 && header->t_real_ns == 22);
        CHECK(header->width == width && header->height == height && header->format == format);
        CHECK_EQ(header->stride, stride_expected);
        CHECK_EQ(header->bytes, bytes_expected);
        CHECK(header->flags == TELE_FRAME_KEYFRAME && header->overlay_bytes == 0);
        CHECK(memcmp(buffer + TELE_SLOT_HEADER_BYTES, pixels, bytes_expected) == 0);
      }
    }
  }
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void an_overlay_comes_back(void) {
  static uint8_t buffer[BUFFER_BYTES];
  uint8_t pixels[5 * 5 * 3], overlay[7 * 3];
  uint64_t seed = 9, bytes;
  fill_random(pixels, sizeof pixels, &seed);
  fill_random(overlay, sizeof overlay, &seed);
  /* Exactly both sizes: the room for the alignment between them is the library's affair. */
  tele_producer *producer = open_producer(sizeof pixels + sizeof overlay, 2);
  tele_reader *reader = open_reader();
  tele_frame frame = {.pixels = pixels,
                      .width = 5,
                      .height = 5,
                      .format = TELE_FORMAT_RGB8,
                      .overlay = overlay,
                      .overlay_width = 7,
                      .overlay_height = 3};
  CHECK_EQ(tele_producer_publish(producer, &frame), 0);
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 1);
  const tele_slot_header *header = (const void *)buffer;
  CHECK_EQ(header->overlay_offset, 128);
  CHECK_EQ(header->overlay_bytes, sizeof overlay);
  CHECK_EQ(header->overlay_format, TELE_OVERLAY_HEAT8);
  CHECK(header->overlay_width == 7 && header->overlay_height == 3);
  CHECK_EQ(header->bytes, 128 + sizeof overlay);
  CHECK(memcmp(buffer + 128, pixels, sizeof pixels) == 0);
  CHECK(memcmp(buffer + 128 + 128, overlay, sizeof overlay) == 0);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void times_are_of_one_moment(void) {
  static uint8_t buffer[BUFFER_BYTES];
  uint8_t pixel[3] = {1, 2, 3};
  uint64_t bytes;
  tele_producer *producer = open_producer(64, 4);
  tele_reader *reader = open_reader();
  const tele_slot_header *header = (const void *)buffer;
  tele_frame frame = {.pixels = pixel, .width = 1, .height = 1, .format = TELE_FORMAT_RGB8};
  uint64_t before_ns = tele_clock_mono_ns();
  CHECK_EQ(tele_producer_publish(producer, &frame), 0);
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 1);
  CHECK(header->t_mono_ns >= before_ns && header->t_mono_ns <= tele_clock_mono_ns());
  uint64_t offset_ns = header->t_real_ns - header->t_mono_ns;
  /* A frame from five seconds ago: the other clock is set back as well. */
  frame.t_mono_ns = before_ns - UINT64_C(5000000000);
  CHECK_EQ(tele_producer_publish(producer, &frame), 0);
  CHECK_EQ(tele_reader_read(reader, 1, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 1);
  CHECK_EQ(header->t_mono_ns, frame.t_mono_ns);
  int64_t difference_ns = (int64_t)(header->t_real_ns - header->t_mono_ns - offset_ns);
  CHECK(llabs(difference_ns) < 1000000000);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

/* Its size and an overlay's would overflow in sum, to one that fits. */
static void a_boundless_size_is_refused(void) {
  uint8_t pixels[64] = {0}, overlay[1] = {0};
  tele_producer *producer = open_producer(1000, 4);
  tele_frame frame = {.pixels = pixels,
                      .bytes = UINT64_MAX - 10,
                      .width = 1,
                      .height = 1,
                      .format = TELE_FORMAT_JPEG,
                      .overlay = overlay,
                      .overlay_width = 1,
                      .overlay_height = 1};
  CHECK_EQ(tele_producer_publish(producer, &frame), -EMSGSIZE);
  tele_producer_close(producer);
}

static void what_does_not_fit_is_refused_and_counted(void) {
  static uint8_t pixels[100 * 100 * 3];
  tele_producer *producer = open_producer(1000, 4);
  tele_frame frame = {.pixels = pixels, .width = 100, .height = 100, .format = TELE_FORMAT_RGB8};
  CHECK_EQ(tele_producer_publish(producer, &frame), -EMSGSIZE);
  CHECK_MESSAGE("it has 30000 bytes");
  CHECK_EQ(tele_producer_frames_refused(producer), 1);
  CHECK_EQ(tele_producer_frames(producer), 0);
  publish_value(producer, 1);
  CHECK_EQ(tele_producer_frames(producer), 1);
  tele_producer_close(producer);
}

/* A missing access unit breaks the chain: an IDR is asked for, and nothing counts before it. */
static void a_refused_access_unit_asks_for_a_keyframe(void) {
  static uint8_t unit[4000];
  tele_producer *producer = open_producer(1000, 4);
  tele_controls before, after;
  tele_producer_controls(producer, &before);
  tele_frame frame = {.pixels = unit, .bytes = 900, .width = 64, .height = 64, .format = TELE_FORMAT_H264};
  CHECK_EQ(tele_producer_publish(producer, &frame), 0);
  frame.bytes = sizeof unit;
  CHECK_EQ(tele_producer_publish(producer, &frame), -EMSGSIZE);
  tele_producer_controls(producer, &after);
  CHECK_EQ(after.keyframe_requests, before.keyframe_requests + 1);
  frame.bytes = 100;
  CHECK_EQ(tele_producer_publish(producer, &frame), -EMSGSIZE);
  CHECK_EQ(tele_producer_frames_refused(producer), 2);
  frame.flags = TELE_FRAME_KEYFRAME;
  CHECK_EQ(tele_producer_publish(producer, &frame), 0);
  frame.flags = 0;
  CHECK_EQ(tele_producer_publish(producer, &frame), 0);
  CHECK_EQ(tele_producer_frames(producer), 3);
  tele_producer_close(producer);
}

static void frames_that_contradict_themselves_are_refused(void) {
  static uint8_t pixels[64 * 64 * 4];
  tele_producer *producer = open_producer(64 * 64 * 4, 4);
  const tele_frame good = {.pixels = pixels, .width = 9, .height = 9, .format = TELE_FORMAT_RGB8};
  tele_frame frame;
#define REFUSED(change, message)                                \
  do {                                                          \
    frame = good;                                               \
    change;                                                     \
    CHECK_EQ(tele_producer_publish(producer, &frame), -EINVAL); \
    CHECK_MESSAGE(message);                                     \
  } while (0)
  REFUSED(frame.format = 7, "format is 7");
  REFUSED(frame.width = 0, "width is 0");
  REFUSED(frame.height = 65536, "height is 65536");
  REFUSED(frame.stride = 26, "stride is 26, expected 27");
  REFUSED(frame.bytes = 244, "bytes is 244, expected 243");
  REFUSED(frame.pixels = NULL, "pixels is 0");
  REFUSED((frame.overlay = pixels, frame.overlay_width = 3), "overlay's larger side is 3");
  REFUSED((frame.overlay = pixels, frame.overlay_width = frame.overlay_height = 2, frame.overlay_format = 9),
          "overlay_format is 9");
  REFUSED((frame.format = TELE_FORMAT_JPEG), "bytes is 0");
  frame = good;
  frame.format = TELE_FORMAT_NV12;
  frame.stride = 9; /* the UV rows of 9 pixels have 10 bytes */
  CHECK_EQ(tele_producer_publish(producer, &frame), -EINVAL);
  CHECK_EQ(tele_producer_frames(producer), 0);
  tele_producer_close(producer);
}

static void newest_skips_and_next_does_not(void) {
  static uint8_t buffer[BUFFER_BYTES];
  const tele_slot_header *header = (const void *)buffer;
  uint64_t bytes, reads, retries;
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 0);
  for (uint64_t value = 1; value <= 10; value++) publish_value(producer, value);
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 1);
  CHECK_EQ(header->step, 10);
  CHECK_EQ(tele_reader_read(reader, 10, TELE_READ_NEWEST, buffer, sizeof buffer, &bytes), 0);
  CHECK_EQ(tele_reader_read(reader, 6, TELE_READ_NEXT, buffer, sizeof buffer, &bytes), 1);
  CHECK_EQ(header->step, 7);
  CHECK_EQ(tele_reader_read(reader, 5, TELE_READ_NEXT, buffer, sizeof buffer, &bytes), -ESTALE);
  CHECK_EQ(tele_reader_read(reader, 10, TELE_READ_NEXT, buffer, sizeof buffer, &bytes), 0);
  CHECK_EQ(tele_reader_read(reader, 0, TELE_READ_NEWEST, buffer, 200, &bytes), -ENOBUFS);
  CHECK_EQ(bytes, TELE_SLOT_HEADER_BYTES + 192);
  tele_reader_counters(reader, &reads, &retries);
  CHECK_EQ(reads, 7);
  CHECK_EQ(retries, 0);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

/* In place: what was overwritten meanwhile is told. */
static void begin_and_end_tell_an_overwritten_slot(void) {
  tele_producer *producer = open_producer(200, 2);
  tele_reader *reader = open_reader();
  tele_slot_header header;
  const void *payload;
  publish_value(producer, 5);
  CHECK_EQ(tele_reader_begin(reader, 0, TELE_READ_NEWEST, &header, &payload), 1);
  CHECK_EQ(((const uint8_t *)payload)[100], 5);
  publish_value(producer, 6);
  CHECK_EQ(tele_reader_end(reader, &header), 1);
  publish_value(producer, 7);
  CHECK_EQ(tele_reader_end(reader, &header), 0);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void the_numbers_come_back(void) {
  tele_producer *producer = open_producer(200, 4);
  tele_reader *reader = open_reader();
  const tele_hud written = {1.5, -2.5, 1e3, UINT64_MAX, 1, 7.25, (double)NAN};
  tele_hud found;
  CHECK_EQ(tele_reader_hud(reader, &found), 0);
  CHECK_EQ(tele_producer_set_hud(producer, &written), 0);
  CHECK_EQ(tele_reader_hud(reader, &found), 1);
  CHECK(memcmp(&written, &found, sizeof found) == 0);
  tele_reader_close(reader);
  tele_producer_close(producer);
}

static void the_capacity_follows_the_frame_size(void) {
  struct {
    uint64_t payload_bytes_max, capacity, capacity_expected;
  } cases[] = {{100, 0, 64}, {3 << 20, 0, 21}, {30 << 20, 0, 4}, {100, 2, 2}, {100, 4096, 4096}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tele_producer *producer = open_producer(cases[i].payload_bytes_max, cases[i].capacity);
    tele_reader *reader = open_reader();
    tele_status status;
    CHECK_EQ(tele_reader_status(reader, &status), 0);
    CHECK_EQ(status.capacity, cases[i].capacity_expected);
    CHECK(status.slot_bytes % 64 == 0 && status.slot_bytes >= cases[i].payload_bytes_max + TELE_SLOT_HEADER_BYTES);
    tele_reader_close(reader);
    tele_producer_close(producer);
  }
  tele_producer *producer;
  const tele_producer_options refused[] = {{0, 0}, {100, 1}, {100, 4097}, {UINT64_MAX, 4}, {UINT32_MAX, 4}};
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    CHECK_EQ(tele_producer_open(test_run(), &refused[i], &producer), -EINVAL);
  }
}

static const test tests[] = {
    {"a boundless size is refused", a_boundless_size_is_refused},
    {"every format comes back", every_format_comes_back},
    {"an overlay comes back", an_overlay_comes_back},
    {"times are of one moment", times_are_of_one_moment},
    {"what does not fit is refused and counted", what_does_not_fit_is_refused_and_counted},
    {"a refused access unit asks for a keyframe", a_refused_access_unit_asks_for_a_keyframe},
    {"frames that contradict themselves are refused", frames_that_contradict_themselves_are_refused},
    {"newest skips and next does not", newest_skips_and_next_does_not},
    {"begin and end tell an overwritten slot", begin_and_end_tell_an_overwritten_slot},
    {"the numbers come back", the_numbers_come_back},
    {"the capacity follows the frame size", the_capacity_follows_the_frame_size},
};
SUITE(publish, tests);
