/*
 * What the probes say of this machine, and of one with NVIDIA's driver: the double's, when it is on the library path,
 * as in the second run of `make test`.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "harness.h"
#include "nvenc_double/nvenc_double.h"

#define JSON_BYTES 16384

static bool has_double(void) {
  void *library = dlopen("libnvidia-encode.so.1", RTLD_NOW | RTLD_LOCAL);
  return library != NULL && dlsym(library, NVENC_DOUBLE_COUNTS) != NULL;
}

static void expect_json(const char *json, int length) {
  CHECK(length > 2);
  CHECK_EQ(length, strlen(json));
  CHECK(json[0] == '{' && json[length - 1] == '}');
}

static void the_clock_tells_its_state_and_its_cost(void) {
  char json[JSON_BYTES], small[8];
  expect_json(json, tele_probe_clock_json(json, sizeof json));
  double read_ns = 0;
  const char *cost = strstr(json, "\"read_ns\":");
  CHECK(cost != NULL && sscanf(cost, "\"read_ns\":%lf", &read_ns) == 1);
  CHECK(read_ns > 0.1 && read_ns < 1e6);
  CHECK(strstr(json, "\"synchronized\":true") != NULL || strstr(json, "\"synchronized\":false") != NULL);
  CHECK_EQ(tele_probe_clock_json(small, sizeof small), -ENOSPC);
  CHECK_MESSAGE("the buffer has 8");
}

static void cuda_names_its_devices(void) {
  char json[JSON_BYTES];
  int length;
  if (has_double()) setenv("NVENC_DOUBLE_GPUS", "NVIDIA H200=none,NVIDIA \"L4\"", 1);
  length = tele_probe_cuda_json(json, sizeof json);
  if (length == -ENODEV) {
    CHECK_MESSAGE("libcuda.so.1"); /* of a machine without a driver */
    return;
  }
  expect_json(json, length);
  if (!has_double()) return;
  const char *expected =
      "{\"cuda\":\"12.4\",\"devices\":["
      "{\"name\":\"NVIDIA H200\",\"memory_bytes\":17179869184,\"compute_capability\":\"8.9\"},"
      "{\"name\":\"NVIDIA \\\"L4\\\"\",\"memory_bytes\":17179869184,\"compute_capability\":\"8.9\"}]}";
  CHECK(strcmp(json, expected) == 0);
}

static void cuda_says_why_it_does_not_start(void) {
  char json[JSON_BYTES];
  if (!has_double()) fail_test(__FILE__, __LINE__, "is the double on LD_LIBRARY_PATH?");
  setenv("NVENC_DOUBLE_FAIL", "cuInit 1 999", 1);
  CHECK_EQ(tele_probe_cuda_json(json, sizeof json), -ENODEV);
  CHECK_MESSAGE("cuInit: CUDA_ERROR_UNKNOWN");
}

static void egl_names_its_devices(void) {
  char json[JSON_BYTES];
  int length = tele_probe_egl_json(json, sizeof json);
  if (length == -ENODEV) {
    CHECK_MESSAGE("libEGL.so.1");
    skip_test("%s", tele_error_message());
  }
  expect_json(json, length);
  CHECK(strncmp(json, "{\"devices\":[", 12) == 0);
  const char *device = strstr(json, "{\"drm\":");
  for (; device != NULL; device = strstr(device + 1, "{\"drm\":")) CHECK(strstr(device, "\"error\":") != NULL);
  pass_test();
}

static const test tests[] = {
    {"the clock tells its state and its cost", the_clock_tells_its_state_and_its_cost},
    {"CUDA names its devices", cuda_names_its_devices},
    {"EGL names its devices", egl_names_its_devices},
};
SUITE(probe, tests);

static const test double_tests[] = {
    {"CUDA says why it does not start", cuda_says_why_it_does_not_start},
};
SUITE_ON_REQUEST(probe_double, double_tests);
