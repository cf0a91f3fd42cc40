/*
 * tele_cuda_*, against the double of NVIDIA's driver: what a program has in the GPU's memory is what a reader of its
 * run decodes, with and without an encoder on the GPU, and with one that fails at any call.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "card.h"
#include "convert.h"
#include "decoder.h"
#include "gpu_world.h"
#include "harness.h"

#define WIDTH 320u
#define HEIGHT 180u
#define FRAME_BYTES_MAX (1u << 20)
#define PSNR_MIN 30.0

/* A program on the GPU, and a reader of its run. */
typedef struct run {
  tele_cuda *cuda;
  tele_reader *reader;
  decoder *decoder;
  uint64_t read;
  uint8_t *pixels; /* RGBA8, without padding */
  CUdeviceptr memory;
  size_t pitch;
  uint8_t frame[FRAME_BYTES_MAX];
} run;

static void draw(run *run, uint32_t number) {
  for (uint32_t y = 0; y < HEIGHT; y++) {
    for (uint32_t x = 0; x < WIDTH; x++) {
      const bool box = x / 64 == number % 5 && y / 60 == 1;
      const uint8_t pixel[] = {(uint8_t)(box ? 230 : x * 200 / WIDTH), (uint8_t)(box ? 30 : y), 90, 255};
      memcpy(run->pixels + 4 * ((size_t)y * WIDTH + x), pixel, 4);
    }
  }
  gpu_overwrite(run->memory, run->pitch, run->pixels, WIDTH * 4, HEIGHT);
}

static tele_cuda_options options_of(tele_encoder_kind encoder) {
  return (tele_cuda_options){.width = WIDTH, .height = HEIGHT, .encoder = encoder, .bitrate_kbps = 2000};
}

static run *open_run(const tele_cuda_options *options) {
  run *made = calloc(1, sizeof *made);
  CHECK(made != NULL);
  made->pixels = malloc(WIDTH * HEIGHT * 4);
  CHECK(made->pixels != NULL);
  gpu_begin();
  made->memory = gpu_upload(NULL, WIDTH * 4, HEIGHT, &made->pitch);
  CHECK_EQ(tele_cuda_open(test_run(), options, &made->cuda), 0);
  CHECK_EQ(tele_reader_open(test_run(), &made->reader), 0);
  CHECK_EQ(decoder_open(&made->decoder), 0);
  return made;
}

static void close_run(run *run) {
  tele_cuda_close(run->cuda);
  tele_reader_close(run->reader);
  decoder_close(run->decoder);
  gpu_free(run->memory);
  gpu_end();
  free(run->pixels);
  free(run);
  expect_nothing_left();
}

static tele_cuda_frame frame_of(const run *run, uint64_t step) {
  return (tele_cuda_frame){.address = run->memory,
                           .format = TELE_FORMAT_RGBA8,
                           .pitch = (uint32_t)run->pitch,
                           .step = step,
                           .episode = step + 1,
                           .reward = 0.5};
}

/* The newest access unit is a picture of what is in the GPU's memory. */
static tele_slot_header expect_picture(run *run) {
  uint64_t bytes;
  encoder_picture found, expected;
  converter *converter;
  tele_slot_header header;
  CHECK_EQ(tele_reader_read(run->reader, run->read, TELE_READ_NEXT, run->frame, sizeof run->frame, &bytes), 1);
  run->read++;
  memcpy(&header, run->frame, sizeof header);
  CHECK_EQ(header.format, TELE_FORMAT_H264);
  CHECK(header.width == WIDTH && header.height == HEIGHT);
  CHECK_EQ(decoder_run(run->decoder, run->frame + sizeof header, header.bytes, &found), 1);
  const tele_slot_header raw = {
      .format = TELE_FORMAT_RGBA8, .width = WIDTH, .height = HEIGHT, .stride = WIDTH * 4, .bytes = WIDTH * 4 * HEIGHT};
  CHECK_EQ(converter_open(&converter), 0);
  CHECK_EQ(converter_run(converter, &raw, run->pixels, &expected), 0);
  double psnr = card_psnr(&found, &expected);
  if (psnr < PSNR_MIN) fail_test(__FILE__, __LINE__, "picture %u is %.1f dB off", (unsigned)run->read, psnr);
  converter_close(converter);
  return header;
}

static tele_slot_header publish_one(run *run, uint32_t number) {
  draw(run, number);
  const tele_cuda_frame frame = frame_of(run, number);
  CHECK_EQ(tele_cuda_publish(run->cuda, &frame), 1);
  CHECK_EQ(tele_cuda_flush(run->cuda), 0);
  return expect_picture(run);
}

static tele_cuda_status status_of(const run *run) {
  tele_cuda_status status;
  CHECK_EQ(tele_cuda_status_get(run->cuda, &status), 0);
  return status;
}

/* ---- Pictures ------------------------------------------------------------------------------------ */

static void show_some(tele_encoder_kind kind, tele_encoder_kind expected, bool on_gpu) {
  const tele_cuda_options options = options_of(kind);
  run *run = open_run(&options);
  for (uint32_t i = 0; i < 6; i++) {
    const tele_slot_header header = publish_one(run, i);
    CHECK_EQ(header.step, i);
    CHECK_EQ(header.episode, i + 1);
    CHECK(header.reward == 0.5);
    CHECK_EQ((header.flags & TELE_FRAME_KEYFRAME) != 0, i == 0);
  }
  const tele_cuda_status status = status_of(run);
  CHECK_EQ(status.encoder, expected);
  CHECK_EQ(status.on_gpu, on_gpu);
  CHECK_EQ(status.frames_published, 6);
  CHECK_EQ(status.frames_skipped, 0);
  close_run(run);
}

static void pictures_arrive_by_the_gpus_encoder(void) { show_some(TELE_ENCODER_AUTO, TELE_ENCODER_NVENC, true); }

static void without_one_they_are_copied_and_encoded(void) {
  setenv("NVENC_DOUBLE_GPUS", "NVIDIA H200=none", 1);
  show_some(TELE_ENCODER_OPENH264, TELE_ENCODER_OPENH264, false);
  const tele_cuda_options options = options_of(TELE_ENCODER_AUTO);
  run *run = open_run(&options);
  publish_one(run, 1);
  const tele_cuda_status status = status_of(run);
  CHECK(status.encoder != TELE_ENCODER_NVENC && !status.on_gpu);
  CHECK(strstr(status.note, "NVIDIA H200: no encoder") != NULL);
  close_run(run);
}

static void an_encoder_of_the_cpus_may_be_asked_for_by_name(void) {
  show_some(TELE_ENCODER_OPENH264, TELE_ENCODER_OPENH264, false);
}

/* With an encoder on the second GPU, and pictures on the first. */
static void the_encoder_is_the_one_beside_the_memory(void) {
  setenv("NVENC_DOUBLE_GPUS", "NVIDIA H200=none,NVIDIA L4", 1);
  tele_cuda_options options = options_of(TELE_ENCODER_AUTO);
  run *run = open_run(&options);
  publish_one(run, 1);
  CHECK(!status_of(run).on_gpu);
  close_run(run);
}

static void keyframes_come_when_a_reader_asks(void) {
  const tele_cuda_options options = options_of(TELE_ENCODER_AUTO);
  run *run = open_run(&options);
  for (uint32_t i = 0; i < 6; i++) {
    if (i == 3) CHECK_EQ(tele_reader_request_keyframe(run->reader), 0);
    const tele_slot_header header = publish_one(run, i);
    CHECK_EQ((header.flags & TELE_FRAME_KEYFRAME) != 0, i == 0 || i == 3);
  }
  close_run(run);
}

/* Behind what its stream has to do before, and in front of what comes next, though nobody waits for either. */
static void a_picture_is_read_in_its_streams_order(void) {
  for (int i = 0; i < 2; i++) {
    const tele_cuda_options options = options_of(i == 0 ? TELE_ENCODER_NVENC : TELE_ENCODER_OPENH264);
    run *run = open_run(&options);
    CUstream stream = gpu_stream();
    tele_cuda_frame frame = frame_of(run, 1);
    frame.stream = (uintptr_t)stream;
    gpu_fill(run->memory, 60, run->pitch * HEIGHT, stream);
    CHECK_EQ(tele_cuda_publish(run->cuda, &frame), 1);
    gpu_fill(run->memory, 220, run->pitch * HEIGHT, stream);
    CHECK_EQ(tele_cuda_flush(run->cuda), 0);
    memset(run->pixels, 60, WIDTH * HEIGHT * 4);
    expect_picture(run);
    gpu_free_stream(stream);
    close_run(run);
  }
}

static void more_pictures_than_can_be_encoded_are_skipped(void) {
  const tele_cuda_options options = options_of(TELE_ENCODER_OPENH264);
  run *run = open_run(&options);
  draw(run, 1);
  uint64_t taken = 0, skipped = 0;
  while (skipped == 0 || taken < 4) {
    const tele_cuda_frame frame = frame_of(run, taken);
    int result = tele_cuda_publish(run->cuda, &frame);
    CHECK(result == 0 || result == 1);
    taken += result == 1;
    skipped += result == 0;
    /* What a loop does besides, while the library's thread publishes. */
    tele_input input;
    const tele_hud hud = {.step = taken};
    tele_producer *producer = tele_cuda_producer(run->cuda);
    CHECK_EQ(tele_producer_gate(producer, 0), 1);
    CHECK_EQ(tele_producer_wants_frame(producer), 1);
    CHECK_EQ(tele_producer_next_input(producer, &input), 0);
    CHECK_EQ(tele_producer_set_hud(producer, &hud), 0);
  }
  CHECK_EQ(tele_cuda_flush(run->cuda), 0);
  const tele_cuda_status status = status_of(run);
  CHECK_EQ(status.frames_published, taken);
  CHECK_EQ(status.frames_skipped, skipped);
  close_run(run);
}

/* ---- Failures ------------------------------------------------------------------------------------- */

typedef struct failure {
  const char *plan;
  bool from_nvenc; /* it is the encoder that fails: another takes over, and no picture is lost */
} failure;

static const failure failures[] = {
    {"nvEncRegisterResource 1 20", true},   {"nvEncRegisterResource 2 23", true}, {"nvEncMapInputResource 3 16", true},
    {"nvEncEncodePicture 3 20", true},      {"nvEncLockBitstream 3 20", true},    {"nvEncUnlockBitstream 3 20", true},
    {"nvEncUnmapInputResource 3 20", true}, {"nvEncEncodePicture 3 5", true},     {"cuEventSynchronize 3 719", false},
    {"cuLaunchKernel 3 999", false},        {"cuEventRecord 3 999", false},
};

static void fail_in_mid_run(void *argument) {
  const failure *failure = argument;
  const tele_cuda_options options = options_of(TELE_ENCODER_AUTO);
  run *run = open_run(&options);
  char call[64];
  CHECK_EQ(sscanf(failure->plan, "%63s", call), 1);
  setenv("NVENC_DOUBLE_FAIL", failure->plan, 1);
  int result = 0;
  for (uint32_t i = 0; result == 0 && i < 6; i++) {
    draw(run, i);
    const tele_cuda_frame frame = frame_of(run, i);
    result = tele_cuda_publish(run->cuda, &frame);
    result = result == 1 ? tele_cuda_flush(run->cuda) : result;
    if (result == 0) expect_picture(run);
  }
  if (failure->from_nvenc) {
    const tele_cuda_status status = status_of(run);
    CHECK_EQ(result, 0);
    CHECK(status.encoder != TELE_ENCODER_NVENC && !status.on_gpu);
    CHECK_EQ(status.frames_published, 6);
  } else {
    CHECK(result < 0);
    CHECK_MESSAGE(call);
  }
  close_run(run);
}

static void an_encoder_that_fails_is_replaced_without_a_loss(void) {
  need_double();
  for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
    if (failures[i].from_nvenc) expect_child_done(start_child(fail_in_mid_run, (void *)&failures[i]));
  }
}

static void what_cuda_refuses_is_told(void) {
  need_double();
  for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
    if (!failures[i].from_nvenc) expect_child_done(start_child(fail_in_mid_run, (void *)&failures[i]));
  }
}

static void one_that_was_asked_for_by_name_is_not_replaced(void) {
  const tele_cuda_options options = options_of(TELE_ENCODER_NVENC);
  run *run = open_run(&options);
  publish_one(run, 0);
  setenv("NVENC_DOUBLE_FAIL", "nvEncEncodePicture 1 20", 1);
  const tele_cuda_frame frame = frame_of(run, 1);
  CHECK_EQ(tele_cuda_publish(run->cuda, &frame), 1);
  CHECK_EQ(tele_cuda_flush(run->cuda), -EIO);
  CHECK_MESSAGE("nvEncEncodePicture: NV_ENC_ERR_GENERIC");
  CHECK_EQ(tele_cuda_publish(run->cuda, &frame), -EIO); /* for good */
  CHECK_MESSAGE("nvEncEncodePicture: NV_ENC_ERR_GENERIC");
  close_run(run);
}

static void what_cannot_be_opened_says_why(void) {
  tele_cuda *cuda = NULL;
  need_double();
  tele_cuda_options options = {.width = 0, .height = 180};
  CHECK_EQ(tele_cuda_open(test_run(), &options, &cuda), -EINVAL);
  CHECK_MESSAGE("0 x 180 by encoder 0; expected 1 to 16384 pixels");
  options = options_of(TELE_ENCODER_AUTO);
  CHECK_EQ(tele_cuda_open("no run!", &options, &cuda), -EINVAL);
  options.device = 3;
  CHECK_EQ(tele_cuda_open(test_run(), &options, &cuda), -ENODEV);
  CHECK_MESSAGE("there is no CUDA device 3");
  CHECK(cuda == NULL);
  expect_nothing_left();
}

static void a_fork_cannot_publish(void) {
  const tele_cuda_options options = options_of(TELE_ENCODER_OPENH264);
  run *run = open_run(&options);
  publish_one(run, 0);
  const pid_t pid = fork();
  if (pid == 0) {
    const tele_cuda_frame frame = frame_of(run, 1);
    const bool refused = tele_cuda_publish(run->cuda, &frame) == -ECHILD && tele_cuda_flush(run->cuda) == -ECHILD;
    tele_cuda_close(run->cuda);
    _exit(refused ? 0 : 1);
  }
  int status;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  publish_one(run, 1);
  close_run(run);
}

static const test tests[] = {
    {"pictures arrive by the GPU's encoder", pictures_arrive_by_the_gpus_encoder},
    {"without one they are copied and encoded", without_one_they_are_copied_and_encoded},
    {"an encoder of the CPU's may be asked for by name", an_encoder_of_the_cpus_may_be_asked_for_by_name},
    {"the encoder is the one beside the memory", the_encoder_is_the_one_beside_the_memory},
    {"keyframes come when a reader asks", keyframes_come_when_a_reader_asks},
    {"a picture is read in its stream's order", a_picture_is_read_in_its_streams_order},
    {"more pictures than can be encoded are skipped", more_pictures_than_can_be_encoded_are_skipped},
    {"an encoder that fails is replaced without a loss", an_encoder_that_fails_is_replaced_without_a_loss},
    {"what CUDA refuses is told", what_cuda_refuses_is_told},
    {"one that was asked for by name is not replaced", one_that_was_asked_for_by_name_is_not_replaced},
    {"what cannot be opened says why", what_cannot_be_opened_says_why},
    {"a fork cannot publish", a_fork_cannot_publish},
};
SUITE_ON_REQUEST(gpu_publishing, tests);
