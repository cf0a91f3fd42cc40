/*
 * The NVENC backend against the double of NVIDIA's driver (nvenc_double/), which aborts on any misuse: what it says of
 * each machine, that it cleans up wherever it fails, and its settings. Runs when asked for by name, with the double on
 * the library path, as `make test` does; that the stream is right is the encoders' common suite to tell.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "encoder.h"
#include "gpu_world.h"
#include "harness.h"
#include "stream_world.h"

static const encoder_config small = {.width = 320, .height = 240, .fps_mhz = 30000, .bitrate_kbps = 1000};

static encoder *open_nvenc(const encoder_config *config) {
  encoder *made;
  CHECK_EQ(encoder_nvenc.open(config, &made), 0);
  return made;
}

/* Grey pictures that differ. The planes have a stride of their own. */
static int encode_grey(encoder *encoder, const encoder_config *config, int number, bool keyframe, access_unit *unit) {
  int stride = (int)config->width + 10;
  size_t plane_bytes = (size_t)stride * config->height;
  uint8_t *plane = malloc(plane_bytes);
  CHECK(plane != NULL);
  memset(plane, 16 + number % 200, plane_bytes);
  encoder_picture picture = {.planes = {plane, plane, plane},
                             .strides = {stride, stride, stride},
                             .width = config->width,
                             .height = config->height};
  int result = encoder_nvenc.encode(encoder, &picture, keyframe, unit);
  free(plane);
  return result;
}

/* ---- Machines ----------------------------------------------------------------------------------- */

typedef struct machine {
  const char *variable, *value; /* NVENC_DOUBLE_... */
  int result;
  const char *detail;
} machine;

static const machine machines[] = {
    {"GPUS", "NVIDIA L4", 0, "NVENC 11.1 on NVIDIA L4"},
    {"API", "12.2", 0, "NVENC 12.2 on NVENC double"},
    {"GPUS", "NVIDIA H200=none", -ENODEV, "NVIDIA H200: no encoder (NV_ENC_ERR_UNSUPPORTED_DEVICE)"},
    {"GPUS", "NVIDIA H200=none,NVIDIA H200=none", -ENODEV, "NVIDIA H200: no encoder (NV_ENC_ERR_UNSUPPORTED_DEVICE)"},
    {"GPUS", "NVIDIA H200=none,NVIDIA L4", 0, "NVENC 11.1 on NVIDIA L4"},
    {"GPUS", "NVIDIA L4=busy,NVIDIA H200=none", -ENODEV, "NVIDIA H200: no encoder (NV_ENC_ERR_UNSUPPORTED_DEVICE)"},
    {"GPUS", "NVIDIA GeForce GTX 1650=busy", -EBUSY,
     "NVIDIA GeForce GTX 1650: no memory, or all sessions that the driver allows are in use "
     "(NV_ENC_ERR_OUT_OF_MEMORY)"},
    {"FAIL", "nvEncOpenEncodeSessionEx 1 21", -EBUSY,
     "NVENC double: no memory, or all sessions that the driver allows are in use (NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY)"},
    {"GPUS", "", -ENODEV, "the driver knows no GPU"},
    {"API", "10.0", -ENOTSUP, "the driver is too old: it has NVENC 10.0, needed is 11.1"},
    {"FAIL", "NvEncodeAPICreateInstance 1 15", -ENODEV, "NvEncodeAPICreateInstance: NV_ENC_ERR_INVALID_VERSION"},
    {"FAIL", "cuInit 1 100", -ENODEV, "cuInit: CUDA_ERROR_NO_DEVICE"},
    {"FAIL", "cuInit 1 999", -ENODEV, "cuInit: CUDA_ERROR_UNKNOWN"},
    {"FAIL", "cuDevicePrimaryCtxRetain 1 46", -EIO,
     "NVENC double: cuDevicePrimaryCtxRetain: CUDA_ERROR_DEVICE_UNAVAILABLE"},
    {"FAIL", "cuCtxPushCurrent 1 999", -EIO, "NVENC double: cuCtxPushCurrent: CUDA_ERROR_UNKNOWN"},
    {"FAIL", "nvEncGetEncodeGUIDs 1 20", -EIO, "nvEncGetEncodeGUIDs: NV_ENC_ERR_GENERIC (as the double was told)"},
};

static void be_machine(const machine *machine) {
  char name[64];
  snprintf(name, sizeof name, "NVENC_DOUBLE_%s", machine->variable);
  setenv(name, machine->value, 1);
}

static void probe_machine(void *argument) {
  const machine *machine = argument;
  be_machine(machine);
  const encoder_probe *probe = encoder_probe_of(&encoder_nvenc);
  CHECK_EQ(probe->result, machine->result);
  if (strstr(probe->detail, machine->detail) == NULL) {
    fail_test(__FILE__, __LINE__, "the detail is \"%s\", expected \"%s\"", probe->detail, machine->detail);
  }
  expect_nothing_left();
}

static void the_probe_says_what_it_found(void) {
  need_double();
  for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
    expect_child_done(start_child(probe_machine, (void *)&machines[i]));
  }
}

static void open_on_machine(void *argument) {
  const machine *machine = argument;
  be_machine(machine);
  encoder *made;
  char note[160];
  CHECK_EQ(encoder_open(TELE_ENCODER_AUTO, 0, &small, &made, note, sizeof note), 0);
  CHECK((made->backend == &encoder_nvenc) == (machine->result == 0));
  CHECK(machine->result == 0 || strncmp(note, "nvenc: ", 7) == 0);
  made->backend->close(made);
  expect_nothing_left();
}

static void where_it_does_not_work_the_next_candidate_does(void) {
  need_double();
  for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
    expect_child_done(start_child(open_on_machine, (void *)&machines[i]));
  }
}

static void the_probe_names_what_is_missing(void) {
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL) != NULL) skip_test("there is a libcuda.so.1");
  const encoder_probe *probe = encoder_probe_of(&encoder_nvenc);
  CHECK_EQ(probe->result, -ENODEV);
  CHECK(strncmp(probe->detail, "libcuda.so.1: ", 14) == 0);
}

/* ---- Failing calls ------------------------------------------------------------------------------ */

static void open_failing(void *argument) {
  const char *plan = argument;
  setenv("NVENC_DOUBLE_FAIL", plan, 1);
  char call[64];
  CHECK_EQ(sscanf(plan, "%63s", call), 1);
  encoder *made = (encoder *)&made;
  CHECK(encoder_nvenc.open(&small, &made) < 0);
  CHECK(made == NULL);
  CHECK_MESSAGE(call);
  expect_nothing_left();
}

static void an_opening_that_fails_leaves_nothing(void) {
  need_double();
  const char *const calls[] = {
      "cuDevicePrimaryCtxRetain 1",   "cuCtxPushCurrent 1",           "nvEncOpenEncodeSessionEx 1",
      "nvEncGetEncodeGUIDCount 1",    "nvEncGetEncodeGUIDs 1",        "nvEncGetInputFormatCount 1",
      "nvEncGetInputFormats 1",       "nvEncGetEncodeCaps 4",         "nvEncGetEncodePresetConfigEx 1",
      "nvEncInitializeEncoder 1",     "nvEncCreateInputBuffer 1",     "nvEncCreateInputBuffer 3",
      "nvEncCreateBitstreamBuffer 1", "nvEncCreateBitstreamBuffer 4", "cuCtxPushCurrent 2"};
  const int statuses[] = {NV_ENC_ERR_DEVICE_NOT_EXIST, NV_ENC_ERR_INVALID_PARAM, NV_ENC_ERR_GENERIC};
  for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
    for (size_t j = 0; j < sizeof statuses / sizeof statuses[0]; j++) {
      char plan[80];
      snprintf(plan, sizeof plan, "%s %d", calls[i], statuses[j]);
      expect_child_done(start_child(open_failing, plan));
    }
  }
}

static void lose_device(void *argument) {
  const char *plan = argument;
  setenv("NVENC_DOUBLE_FAIL", plan, 1);
  char call[64], note[160];
  CHECK_EQ(sscanf(plan, "%63s", call), 1);
  encoder *encoder = open_nvenc(&small);
  access_unit unit;
  int pictures = 0, result = 0;
  while (result == 0 && pictures < 10) {
    result = encode_grey(encoder, &small, pictures++, false, &unit);
    if (result == 0) result = encoder_nvenc.reconfigure(encoder, &small);
  }
  CHECK_EQ(result, -EIO);
  CHECK_EQ(pictures, 3);
  CHECK_MESSAGE(call);
  CHECK_MESSAGE("NV_ENC_ERR_DEVICE_NOT_EXIST");
  encoder_nvenc.close(encoder);
  expect_nothing_left();
  CHECK_EQ(encoder_open(TELE_ENCODER_AUTO, 1u << TELE_ENCODER_NVENC, &small, &encoder, note, sizeof note), 0);
  CHECK(encoder->backend != &encoder_nvenc);
  CHECK(strncmp(note, "nvenc: failed before; ", 22) == 0);
  encoder->backend->close(encoder);
}

static void a_lost_device_is_an_error_and_leaves_nothing(void) {
  need_double();
  const char *const plans[] = {"nvEncLockInputBuffer 3 5", "nvEncUnlockInputBuffer 3 5", "nvEncEncodePicture 3 5",
                               "nvEncLockBitstream 3 5",   "nvEncUnlockBitstream 3 5",   "nvEncReconfigureEncoder 3 5"};
  for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
    expect_child_done(start_child(lose_device, (void *)plans[i]));
  }
}

/* Nothing is lost: the picture on which it failed comes out of the next encoder, as a keyframe. */
static void a_stream_survives_its_device(void) {
  need_double();
  setenv("NVENC_DOUBLE_FAIL", "nvEncLockBitstream 4 5", 1);
  world world;
  open_world(&world, 4);
  open_stream(&world, &(tele_stream_settings){.outputs = TELE_OUTPUT_H264});
  for (uint32_t i = 1; i <= 6; i++) {
    card card = {.format = TELE_FORMAT_RGB8, .width = 320, .height = 240, .shade = (uint8_t)(40 + 20 * i), .step = i};
    publish_card(&world, &card);
    const packet_header *packet = expect_packet(&world);
    CHECK(packet->slot.step == i && packet->number == i);
    CHECK_EQ((packet->slot.flags & TELE_FRAME_KEYFRAME) != 0, i == 1 || i == 4);
    expect_card(&world, &card);
    tele_stream_status status = status_of(&world);
    CHECK((status.encoder == TELE_ENCODER_NVENC) == (i < 4));
    if (i >= 4) {
      CHECK(strstr(status.note, "nvEncLockBitstream: NV_ENC_ERR_DEVICE_NOT_EXIST") != NULL);
      expect_nothing_left();
    }
  }
  close_world(&world);
}

static void a_busy_encoder_is_waited_for(void) {
  need_double();
  setenv("NVENC_DOUBLE_FAIL", "nvEncEncodePicture 2 18", 1);
  CHECK_EQ(NV_ENC_ERR_ENCODER_BUSY, 18);
  encoder *encoder = open_nvenc(&small);
  access_unit unit;
  for (int i = 0; i < 3; i++) CHECK_EQ(encode_grey(encoder, &small, i, false, &unit), 0);
  encoder_nvenc.close(encoder);
  expect_nothing_left();
}

static void sizes_that_the_gpu_cannot_encode_are_refused(void) {
  need_double();
  const uint32_t sizes[][2] = {{16, 240}, {320, 16}, {4098, 240}, {320, 4098}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    encoder_config config = small;
    config.width = sizes[i][0], config.height = sizes[i][1];
    encoder *made;
    CHECK_EQ(encoder_nvenc.open(&config, &made), -EINVAL);
    CHECK_MESSAGE("encodes 33 x 17 to 4096 x 4096");
    expect_nothing_left();
  }
}

/* ---- Settings ----------------------------------------------------------------------------------- */

static void the_settings_are_for_real_time(void) {
  need_double();
  encoder *encoder = open_nvenc(&small);
  CHECK(strcmp(encoder->name, "NVENC 11.1 on NVENC double") == 0);
  NV_ENC_INITIALIZE_PARAMS params;
  NV_ENC_CONFIG config;
  get_params(&params, &config);
  CHECK_EQ(params.tuningInfo, NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY);
  CHECK_EQ(params.frameRateNum, 30000);
  CHECK_EQ(params.frameRateDen, 1000);
  CHECK_EQ(config.frameIntervalP, 1);
  CHECK_EQ(config.gopLength, NVENC_INFINITE_GOPLENGTH);
  CHECK_EQ(config.rcParams.rateControlMode, NV_ENC_PARAMS_RC_CBR);
  CHECK_EQ(config.rcParams.averageBitRate, 1000000);
  CHECK_EQ(config.rcParams.vbvBufferSize, 33333);
  CHECK_EQ(config.rcParams.vbvInitialDelay, 33333);
  CHECK_EQ(config.rcParams.zeroReorderDelay, 1);
  CHECK_EQ(config.rcParams.enableLookahead, 0);
  CHECK_EQ(config.rcParams.lowDelayKeyFrameScale, 1); /* the preset's */
  const NV_ENC_CONFIG_H264 *h264 = &config.encodeCodecConfig.h264Config;
  CHECK_EQ(h264->idrPeriod, NVENC_INFINITE_GOPLENGTH);
  CHECK_EQ(h264->repeatSPSPPS, 1);
  CHECK_EQ(h264->outputAUD, 0);
  CHECK_EQ(h264->enableFillerDataInsertion, 0);
  CHECK_EQ(h264->outputPictureTimingSEI, 0);
  CHECK(h264->sliceMode == 3 && h264->sliceModeData == 1);
  CHECK(h264->h264VUIParameters.bitstreamRestrictionFlag == 1 && h264->h264VUIParameters.colourMatrix == 1);
  encoder_nvenc.close(encoder);
  expect_nothing_left();
}

static void larger_pictures_take_faster_presets(void) {
  need_double();
  const struct {
    uint32_t width, height;
    const GUID *preset;
  } sizes[] = {
      {1280, 720, &NV_ENC_PRESET_P3_GUID}, {1920, 1080, &NV_ENC_PRESET_P2_GUID}, {3840, 2160, &NV_ENC_PRESET_P1_GUID}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    encoder_config asked = small;
    asked.width = sizes[i].width, asked.height = sizes[i].height;
    encoder *encoder = open_nvenc(&asked);
    NV_ENC_INITIALIZE_PARAMS params;
    NV_ENC_CONFIG config;
    get_params(&params, &config);
    CHECK(memcmp(&params.presetGUID, sizes[i].preset, sizeof params.presetGUID) == 0);
    access_unit unit;
    CHECK_EQ(encode_grey(encoder, &asked, 0, false, &unit), 0);
    encoder_nvenc.close(encoder);
  }
  expect_nothing_left();
}

static void keyframes_come_on_request_alone(void) {
  need_double();
  encoder_config config = small;
  encoder *encoder = open_nvenc(&config);
  access_unit unit;
  for (int i = 0; i < 13; i++) {
    CHECK_EQ(encode_grey(encoder, &config, i, i == 6, &unit), 0);
    CHECK_EQ(unit.keyframe, i == 0 || i == 6);
    CHECK(unit.bytes_count > 0);
  }
  config.bitrate_kbps = 2000;
  config.fps_mhz = 60000;
  CHECK_EQ(encoder_nvenc.reconfigure(encoder, &config), 0);
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(encode_grey(encoder, &config, i, false, &unit), 0);
    CHECK(!unit.keyframe);
  }
  NV_ENC_INITIALIZE_PARAMS params;
  NV_ENC_CONFIG now;
  get_params(&params, &now);
  CHECK_EQ(now.rcParams.averageBitRate, 2000000);
  CHECK_EQ(now.rcParams.vbvBufferSize, 33333);
  CHECK_EQ(params.frameRateNum, 60000);
  encoder_nvenc.close(encoder);
  expect_nothing_left();
}

typedef struct encoding {
  encoder *encoder;
  encoder_config config;
} encoding;

static void *encode_some(void *argument) {
  encoding *encoding = argument;
  access_unit unit;
  for (int i = 0; i < 20; i++) {
    CHECK_EQ(encode_grey(encoding->encoder, &encoding->config, i, false, &unit), 0);
  }
  return NULL;
}

static void sessions_run_on_other_threads_than_their_opener(void) {
  need_double();
  encoding encodings[3];
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) encodings[i] = (encoding){.encoder = open_nvenc(&small), .config = small};
  for (int i = 0; i < 3; i++) CHECK_EQ(pthread_create(&threads[i], NULL, encode_some, &encodings[i]), 0);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(pthread_join(threads[i], NULL), 0);
    encoder_nvenc.close(encodings[i].encoder);
  }
  expect_nothing_left();
}

static const test tests[] = {
    {"the probe says what it found", the_probe_says_what_it_found},
    {"where it does not work the next candidate does", where_it_does_not_work_the_next_candidate_does},
    {"an opening that fails leaves nothing", an_opening_that_fails_leaves_nothing},
    {"a lost device is an error and leaves nothing", a_lost_device_is_an_error_and_leaves_nothing},
    {"a stream survives its device", a_stream_survives_its_device},
    {"a busy encoder is waited for", a_busy_encoder_is_waited_for},
    {"sizes that the GPU cannot encode are refused", sizes_that_the_gpu_cannot_encode_are_refused},
    {"the settings are for real time", the_settings_are_for_real_time},
    {"larger pictures take faster presets", larger_pictures_take_faster_presets},
    {"keyframes come on request alone", keyframes_come_on_request_alone},
    {"sessions run on other threads than their opener's", sessions_run_on_other_threads_than_their_opener},
};
SUITE_ON_REQUEST(nvenc, tests);

static const test driverless_tests[] = {
    {"the probe names what is missing", the_probe_names_what_is_missing},
};
SUITE(driverless, driverless_tests);
