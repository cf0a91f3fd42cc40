/* Which encoder it will be, and JPEG's own promises. */
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "card.h"
#include "harness.h"

static const encoder_config config = {
    .width = 320, .height = 240, .fps_mhz = 30000, .bitrate_kbps = 1000, .quality = 80};

static void the_table_is_in_order(void) {
  const encoder_backend *expected[] = {&encoder_nvenc, &encoder_x264, &encoder_openh264, &encoder_jpeg};
  CHECK_EQ(encoder_candidates_count, 4); /* each has its rows in encoder_test.c */
  for (size_t i = 0; i < encoder_candidates_count; i++) {
    CHECK(encoder_candidates[i] == expected[i]);
    const encoder_probe *probe = encoder_probe_of(expected[i]);
    CHECK(probe->backend == expected[i] && probe->result <= 0 && probe->detail[0] != '\0');
    CHECK(encoder_probe_of(expected[i]) == probe); /* found once */
  }
  /* These are linked in. */
  CHECK_EQ(encoder_probe_of(&encoder_openh264)->result, 0);
  CHECK_EQ(encoder_probe_of(&encoder_jpeg)->result, 0);
}

static void the_first_that_works_is_taken(void) {
  uint32_t failed = 0;
  for (size_t i = 0; i < 3; i++) {
    const encoder_backend *backend = encoder_candidates[i];
    if (encoder_probe_of(backend)->result == 0) {
      encoder *made;
      char note[160];
      CHECK_EQ(encoder_open(TELE_ENCODER_AUTO, failed, &config, &made, note, sizeof note), 0);
      CHECK(made->backend == backend);
      CHECK(strstr(note, made->name) != NULL);
      if (i > 0) CHECK(strstr(note, encoder_candidates[i - 1]->name) != NULL); /* why not that one */
      backend->close(made);
    }
    failed |= 1u << backend->kind;
  }
  encoder *made;
  char note[160];
  CHECK_EQ(encoder_open(TELE_ENCODER_AUTO, failed, &config, &made, note, sizeof note), -ENODEV);
  CHECK_MESSAGE("no H.264 encoder works for 320 x 240");
  CHECK(strstr(note, "openh264: failed before") != NULL);
}

static void one_that_is_asked_for_is_taken(void) {
  encoder *made;
  char note[160];
  CHECK_EQ(encoder_open(TELE_ENCODER_OPENH264, 1u << TELE_ENCODER_OPENH264, &config, &made, note, sizeof note), 0);
  CHECK(made->backend == &encoder_openh264);
  encoder_openh264.close(made);
  for (size_t i = 0; i < encoder_candidates_count; i++) {
    const encoder_probe *probe = encoder_probe_of(encoder_candidates[i]);
    if (probe->result == 0) continue;
    CHECK_EQ(encoder_open(probe->backend->kind, 0, &config, &made, note, sizeof note), probe->result);
    CHECK_MESSAGE(probe->detail);
  }
  CHECK_EQ(encoder_open(TELE_ENCODER_PASSED, 0, &config, &made, note, sizeof note), -EINVAL);
  encoder_config wrong[] = {config, config, config, config};
  wrong[0].width = 321;
  wrong[1].height = 0;
  wrong[2].fps_mhz = 0;
  wrong[3].bitrate_kbps = 0;
  for (int i = 0; i < 4; i++) {
    CHECK_EQ(encoder_open(TELE_ENCODER_AUTO, 0, &wrong[i], &made, note, sizeof note), -EINVAL);
  }
  /* A note that does not fit is cut. */
  CHECK_EQ(encoder_open(TELE_ENCODER_OPENH264, 0, &config, &made, note, 5), 0);
  CHECK_EQ(strlen(note), 4);
  encoder_openh264.close(made);
}

static void the_list_is_json(void) {
  char json[4096], small[64];
  int length = tele_encoders_json(json, sizeof json);
  CHECK_EQ(length, strlen(json));
  CHECK(json[0] == '[' && json[length - 1] == ']');
  CHECK(strstr(json, "{\"kind\":3,\"name\":\"openh264\",\"usable\":true,\"detail\":\"OpenH264 ") != NULL);
  CHECK(strstr(json, "{\"kind\":1,\"name\":\"nvenc\",\"usable\":") != NULL);
  CHECK_EQ(tele_encoders_json(small, sizeof small), -ENOSPC);
}

static void default_bitrates_are_sensible(void) {
  CHECK_EQ(encoder_default_kbps(1280, 720, 60000), 7000);
  CHECK_EQ(encoder_default_kbps(16, 16, 1000), 300);
  uint32_t large = encoder_default_kbps(1920, 1080, 60000), small = encoder_default_kbps(160, 160, 60000);
  CHECK(large > 10000 && large < 15000);
  CHECK(small >= 300 && small < 700);
  CHECK(encoder_default_kbps(1280, 720, 30000) < 7000);
}

/* ---- JPEG -------------------------------------------------------------------------------------- */

/* The mean difference of R, G and B from what the card's YUV stands for. */
static double difference_of(access_unit unit, const card *card) {
  struct jpeg_decompress_struct decoder;
  struct jpeg_error_mgr errors;
  decoder.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&decoder);
  jpeg_mem_src(&decoder, unit.bytes, (unsigned long)unit.bytes_count);
  CHECK_EQ(jpeg_read_header(&decoder, TRUE), JPEG_HEADER_OK);
  decoder.out_color_space = JCS_RGB;
  jpeg_start_decompress(&decoder);
  CHECK_EQ(decoder.output_width, card->picture.width);
  CHECK_EQ(decoder.output_height, card->picture.height);
  static uint8_t row[3 * 1024];
  double sum = 0;
  for (uint32_t y = 0; y < card->picture.height; y++) {
    JSAMPROW pointer = row;
    CHECK_EQ(jpeg_read_scanlines(&decoder, &pointer, 1), 1);
    for (uint32_t x = 0; x < card->picture.width; x++) {
      const encoder_picture *picture = &card->picture;
      double luma = (picture->planes[0][y * (uint32_t)picture->strides[0] + x] - 16) * 255.0 / 219;
      double u = (picture->planes[1][y / 2 * (uint32_t)picture->strides[1] + x / 2] - 128) * 255.0 / 224;
      double v = (picture->planes[2][y / 2 * (uint32_t)picture->strides[2] + x / 2] - 128) * 255.0 / 224;
      double rgb[3] = {luma + 1.5748 * v, luma - 0.1873 * u - 0.4681 * v, luma + 1.8556 * u}; /* BT.709 */
      for (int i = 0; i < 3; i++) {
        double expected = rgb[i] < 0 ? 0 : rgb[i] > 255 ? 255 : rgb[i];
        sum += row[3 * x + (uint32_t)i] > expected ? row[3 * x + (uint32_t)i] - expected
                                                   : expected - row[3 * x + (uint32_t)i];
      }
    }
  }
  jpeg_finish_decompress(&decoder);
  jpeg_destroy_decompress(&decoder);
  return sum / 3 / card->picture.width / card->picture.height;
}

static void jpeg_pictures_are_whole(void) {
  encoder_config jpeg = config;
  encoder *encoder;
  card card = card_make(config.width, config.height);
  access_unit unit;
  CHECK_EQ(encoder_jpeg.open(&jpeg, &encoder), 0);
  size_t bytes_count = 0;
  for (uint32_t i = 0; i < 5; i++) {
    card_draw(&card, i);
    CHECK_EQ(encoder_jpeg.encode(encoder, &card.picture, false, &unit), 0);
    CHECK(unit.keyframe);
    CHECK(difference_of(unit, &card) < 3);
    bytes_count = unit.bytes_count;
  }
  jpeg.quality = 20;
  CHECK_EQ(encoder_jpeg.reconfigure(encoder, &jpeg), 0);
  CHECK_EQ(encoder_jpeg.encode(encoder, &card.picture, false, &unit), 0);
  CHECK(unit.bytes_count < bytes_count);
  jpeg.quality = 101;
  CHECK_EQ(encoder_jpeg.reconfigure(encoder, &jpeg), -EINVAL);
  /* More than the buffer has room for at first: it grows. */
  jpeg.quality = 100;
  CHECK_EQ(encoder_jpeg.reconfigure(encoder, &jpeg), 0);
  uint64_t state = 1;
  for (uint32_t i = 0; i < config.height * (uint32_t)card.picture.strides[0]; i++) {
    card.planes[0][i] = (uint8_t)random_next(&state);
  }
  CHECK_EQ(encoder_jpeg.encode(encoder, &card.picture, false, &unit), 0);
  CHECK(unit.bytes_count > config.width * config.height / 2 + 4096);
  CHECK(difference_of(unit, &card) < 12);
  encoder_jpeg.close(encoder);
  card_free(&card);
}

static const test tests[] = {
    {"the table is in order", the_table_is_in_order},
    {"the first that works is taken", the_first_that_works_is_taken},
    {"one that is asked for is taken", one_that_is_asked_for_is_taken},
    {"the list is JSON", the_list_is_json},
    {"default bitrates are sensible", default_bitrates_are_sensible},
    {"JPEG pictures are whole", jpeg_pictures_are_whole},
};
SUITE(candidates, tests);
