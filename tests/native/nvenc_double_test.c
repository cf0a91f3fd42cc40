/* The double of NVIDIA's driver ends a process that misuses it, and says why: else it would prove nothing. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "nvenc_session.h"

static nvenc_session misused;

static void *initialized_session(NV_ENC_CONFIG *config) {
  NV_ENC_PRESET_CONFIG preset = {.version = NV_ENC_PRESET_CONFIG_VER, .presetCfg = {.version = NV_ENC_CONFIG_VER}};
  CHECK_EQ(nvenc_session_open(0, &misused), 0);
  CHECK_EQ(cuda_device_enter(&misused.gpu), 0);
  CHECK_EQ(misused.api->nvEncGetEncodePresetConfigEx(misused.encoder, NV_ENC_CODEC_H264_GUID, NV_ENC_PRESET_P3_GUID,
                                                     NV_ENC_TUNING_INFO_LOW_LATENCY, &preset),
           NV_ENC_SUCCESS);
  *config = preset.presetCfg;
  NV_ENC_INITIALIZE_PARAMS params = {.version = NV_ENC_INITIALIZE_PARAMS_VER,
                                     .encodeGUID = NV_ENC_CODEC_H264_GUID,
                                     .presetGUID = NV_ENC_PRESET_P3_GUID,
                                     .encodeWidth = 64,
                                     .encodeHeight = 64,
                                     .darWidth = 1,
                                     .darHeight = 1,
                                     .frameRateNum = 30,
                                     .frameRateDen = 1,
                                     .enablePTD = 1,
                                     .encodeConfig = config,
                                     .tuningInfo = NV_ENC_TUNING_INFO_LOW_LATENCY};
  CHECK_EQ(misused.api->nvEncInitializeEncoder(misused.encoder, &params), NV_ENC_SUCCESS);
  return misused.encoder;
}

static NV_ENC_CREATE_INPUT_BUFFER new_input(void) {
  NV_ENC_CREATE_INPUT_BUFFER input = {
      .version = NV_ENC_CREATE_INPUT_BUFFER_VER, .width = 64, .height = 64, .bufferFmt = NV_ENC_BUFFER_FORMAT_IYUV};
  CHECK_EQ(misused.api->nvEncCreateInputBuffer(misused.encoder, &input), NV_ENC_SUCCESS);
  return input;
}

static void wrong_version(void) {
  NV_ENC_CONFIG config;
  void *encoder = initialized_session(&config);
  NV_ENC_CREATE_BITSTREAM_BUFFER output = {.version = NV_ENC_CREATE_INPUT_BUFFER_VER + 1};
  misused.api->nvEncCreateBitstreamBuffer(encoder, &output);
}

static void reserved_not_zero(void) {
  NV_ENC_CONFIG config;
  void *encoder = initialized_session(&config);
  NV_ENC_CREATE_BITSTREAM_BUFFER output = {.version = NV_ENC_CREATE_BITSTREAM_BUFFER_VER, .reserved1 = {[57] = 1}};
  misused.api->nvEncCreateBitstreamBuffer(encoder, &output);
}

static void before_initialize(void) {
  CHECK_EQ(nvenc_session_open(0, &misused), 0);
  CHECK_EQ(cuda_device_enter(&misused.gpu), 0);
  new_input();
}

static void without_context(void) {
  uint32_t count;
  CHECK_EQ(nvenc_session_open(0, &misused), 0);
  misused.api->nvEncGetEncodeGUIDCount(misused.encoder, &count);
}

static void context_left_current(void) {
  CHECK_EQ(nvenc_session_open(0, &misused), 0);
  CHECK_EQ(cuda_device_enter(&misused.gpu), 0);
  cuda_device_enter(&misused.gpu);
}

static void written_beyond_the_row(void) {
  NV_ENC_CONFIG config;
  void *encoder = initialized_session(&config);
  NV_ENC_CREATE_INPUT_BUFFER input = new_input();
  NV_ENC_LOCK_INPUT_BUFFER lock = {.version = NV_ENC_LOCK_INPUT_BUFFER_VER, .inputBuffer = input.inputBuffer};
  CHECK_EQ(misused.api->nvEncLockInputBuffer(encoder, &lock), NV_ENC_SUCCESS);
  memset(lock.bufferDataPtr, 0, 64 * 64 * 3 / 2); /* as if the pitch were the width */
  misused.api->nvEncUnlockInputBuffer(encoder, input.inputBuffer);
}

static void used_after_destroy(void) {
  NV_ENC_CONFIG config;
  void *encoder = initialized_session(&config);
  NV_ENC_CREATE_INPUT_BUFFER input = new_input();
  CHECK_EQ(misused.api->nvEncDestroyInputBuffer(encoder, input.inputBuffer), NV_ENC_SUCCESS);
  misused.api->nvEncDestroyInputBuffer(encoder, input.inputBuffer);
}

static void buffer_outlives_session(void) {
  NV_ENC_CONFIG config;
  void *encoder = initialized_session(&config);
  new_input();
  misused.api->nvEncDestroyEncoder(encoder);
}

static void destroyed_before_the_flush(void) {
  NV_ENC_CONFIG config;
  void *encoder = initialized_session(&config);
  misused.api->nvEncDestroyEncoder(encoder);
}

static void context_released_before_session(void) {
  CHECK_EQ(nvenc_session_open(0, &misused), 0);
  cuda_device_close(&misused.gpu);
}

static void session_left_at_exit(void) {
  CHECK_EQ(nvenc_session_open(0, &misused), 0);
  exit(0);
}

typedef struct misuse {
  void (*run)(void);
  const char *report;
} misuse;

static void run_misuse(void *argument) {
  const misuse *misuse = argument;
  signal(SIGABRT, SIG_DFL); /* the sanitizer's handler has its own text */
  misuse->run();
}

static void the_double_aborts_on_misuse(void) {
  static const misuse misuses[] = {
      {wrong_version, "the struct's version is"},
      {reserved_not_zero, "params->reserved1 is not zero"},
      {before_initialize, "before nvEncInitializeEncoder"},
      {without_context, "the session's context is not current"},
      {context_left_current, "a context is current already"},
      {written_beyond_the_row, "was written beyond the picture's 64 columns"},
      {used_after_destroy, "the input buffer is destroyed already"},
      {buffer_outlives_session, "1 input and 0 bitstream buffers left"},
      {destroyed_before_the_flush, "before the flush"},
      {context_released_before_session, "released before its session"},
      {session_left_at_exit, "1 sessions are not destroyed"},
  };
  for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++) {
    int pipe_fds[2], errors = dup(2), status;
    char report[512] = "";
    CHECK(errors >= 0 && pipe(pipe_fds) == 0 && dup2(pipe_fds[1], 2) == 2);
    pid_t pid = start_child(run_misuse, (void *)&misuses[i]);
    CHECK(dup2(errors, 2) == 2);
    close(pipe_fds[1]);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(read(pipe_fds[0], report, sizeof report - 1) > 0);
    close(pipe_fds[0]);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || strncmp(report, "NVENC DOUBLE: ", 14) != 0 ||
        strstr(report, misuses[i].report) == NULL) {
      fail_test(__FILE__, __LINE__, "status %d, \"%s\", expected an abort and \"%s\"", status, report,
                misuses[i].report);
    }
  }
}

static const test tests[] = {
    {"misuse ends the process", the_double_aborts_on_misuse},
};
SUITE_ON_REQUEST(nvenc_double, tests);
