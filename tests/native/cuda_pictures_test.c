/*
 * Pictures in the GPU's memory, against the double of CUDA's driver, which runs the kernels' source: each comes out bit
 * for bit as the CPU's conversion makes it, in the order of the caller's stream, and no failure leaves anything behind.
 */
#include <stdlib.h>

#include "convert.h"
#include "cuda_pictures.h"
#include "gpu_world.h"
#include "harness.h"
#include "picture.h"

typedef struct raw {
  tele_slot_header header;
  uint8_t *pixels; /* rows without padding */
} raw;

static raw make_raw(uint32_t format, uint32_t width, uint32_t height, unsigned seed) {
  raw made = {.header = {.format = format, .width = width, .height = height}};
  made.header.stride = picture_stride_min(format, width);
  made.header.bytes = (uint32_t)picture_bytes(format, made.header.stride, height);
  made.pixels = malloc(made.header.bytes);
  CHECK(made.pixels != NULL);
  srand(seed);
  for (uint32_t i = 0; i < made.header.bytes; i++) made.pixels[i] = (uint8_t)(rand() >> 7);
  return made;
}

static uint32_t rows_of(const raw *raw) { return raw->header.bytes / raw->header.stride; }

static void turn_over(raw *raw) {
  const tele_slot_header *header = &raw->header;
  uint8_t *turned = malloc(header->bytes);
  CHECK(turned != NULL);
  for (uint32_t row = 0; row < header->height; row++) {
    memcpy(turned + (size_t)row * header->stride, raw->pixels + (size_t)(header->height - 1 - row) * header->stride,
           header->stride);
  }
  free(raw->pixels);
  raw->pixels = turned;
}

/* The picture's planes without padding, wherever they are. */
static uint8_t *planes_of(const encoder_picture *picture) {
  const size_t luma_bytes = (size_t)picture->width * picture->height, chroma_bytes = luma_bytes / 4;
  uint8_t *planes = malloc(luma_bytes + 2 * chroma_bytes);
  CHECK(planes != NULL);
  if (picture->device_address == 0) {
    uint8_t *at = planes;
    for (int plane = 0; plane < 3; plane++) {
      const uint32_t width = plane == 0 ? picture->width : picture->width / 2;
      const uint32_t height = plane == 0 ? picture->height : picture->height / 2;
      for (uint32_t row = 0; row < height; row++, at += width) {
        memcpy(at, picture->planes[plane] + (ptrdiff_t)row * picture->strides[plane], width);
      }
    }
    return planes;
  }
  uint8_t *nv12 = malloc(luma_bytes + 2 * chroma_bytes);
  CHECK(nv12 != NULL);
  gpu_download(nv12, picture->device_address, (size_t)picture->strides[0], picture->width, picture->height / 2 * 3);
  memcpy(planes, nv12, luma_bytes);
  for (size_t i = 0; i < chroma_bytes; i++) {
    planes[luma_bytes + i] = nv12[luma_bytes + 2 * i];
    planes[luma_bytes + chroma_bytes + i] = nv12[luma_bytes + 2 * i + 1];
  }
  free(nv12);
  return planes;
}

/* Equal in every byte to what the CPU makes of the same pixels. */
static void expect_converted(const encoder_picture *picture, const raw *raw) {
  converter *converter;
  encoder_picture expected;
  CHECK_EQ(converter_open(&converter), 0);
  CHECK_EQ(converter_run(converter, &raw->header, raw->pixels, &expected), 0);
  CHECK_EQ(picture->width, expected.width);
  CHECK_EQ(picture->height, expected.height);
  uint8_t *found_planes = planes_of(picture), *expected_planes = planes_of(&expected);
  const size_t bytes = (size_t)expected.width * expected.height / 2 * 3;
  for (size_t i = 0; i < bytes; i++) {
    if (found_planes[i] == expected_planes[i]) continue;
    fail_test(__FILE__, __LINE__, "byte %zu of the %u x %u planes of format %u is %u, the CPU says %u", i,
              expected.width, expected.height, raw->header.format, found_planes[i], expected_planes[i]);
  }
  free(found_planes);
  free(expected_planes);
  converter_close(converter);
}

static cuda_pictures *open_pictures(const raw *raw, bool to_memory) {
  cuda_pictures *pictures;
  CHECK_EQ(cuda_pictures_open(0, raw->header.width, raw->header.height, to_memory, &pictures), 0);
  return pictures;
}

/* ---- Equality ----------------------------------------------------------------------------------- */

static void convert_memory(uint32_t format, uint32_t width, uint32_t height, bool to_memory) {
  raw raw = make_raw(format, width, height, width + format);
  size_t pitch;
  encoder_picture picture;
  CUdeviceptr memory = gpu_upload(raw.pixels, raw.header.stride, rows_of(&raw), &pitch);
  cuda_pictures *pictures = open_pictures(&raw, to_memory);
  cuda_source source = {.format = format, .address = memory, .pitch = (uint32_t)pitch};
  if (format == TELE_FORMAT_NV12) source.chroma = memory + pitch * height;
  CHECK_EQ(cuda_pictures_begin(pictures, &source, NULL), 0);
  CHECK_EQ(cuda_pictures_take(pictures, &picture), 0);
  CHECK_EQ(picture.device_address != 0, !to_memory);
  expect_converted(&picture, &raw);
  cuda_pictures_close(pictures);
  gpu_free(memory);
  free(raw.pixels);
}

static void every_format_comes_out_as_the_cpu_makes_it(void) {
  static const uint32_t formats[] = {TELE_FORMAT_RGB8, TELE_FORMAT_RGBA8, TELE_FORMAT_BGRA8, TELE_FORMAT_GRAY8,
                                     TELE_FORMAT_NV12};
  static const uint32_t sizes[][2] = {{320, 180}, {1, 1}, {2, 2}, {3, 5}, {65, 17}, {130, 36}};
  gpu_begin();
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
      convert_memory(formats[i], sizes[j][0], sizes[j][1], true);
      convert_memory(formats[i], sizes[j][0], sizes[j][1], false);
    }
  }
  gpu_end();
  expect_nothing_left();
}

static void arrays_do_too_also_upside_down(void) {
  gpu_begin();
  for (int i = 0; i < 4; i++) {
    const bool bottom_up = i % 2 != 0;
    raw raw = make_raw(i < 2 ? TELE_FORMAT_RGBA8 : TELE_FORMAT_BGRA8, 65, 33, (unsigned)i);
    CUarray array = gpu_array(raw.pixels, 65, 33, 4);
    cuda_pictures *pictures = open_pictures(&raw, true);
    const cuda_source source = {.format = raw.header.format, .array = array, .bottom_up = bottom_up};
    encoder_picture picture;
    CHECK_EQ(cuda_pictures_begin(pictures, &source, NULL), 0);
    CHECK_EQ(cuda_pictures_take(pictures, &picture), 0);
    if (bottom_up) turn_over(&raw);
    expect_converted(&picture, &raw);
    cuda_pictures_close(pictures);
    gpu_free_array(array);
    free(raw.pixels);
  }
  gpu_end();
  expect_nothing_left();
}

/* ---- Order ---------------------------------------------------------------------------------------- */

/* Two in flight, each with its own pixels, and a third only behind a take. */
static void pictures_overlap_and_stay_apart(void) {
  gpu_begin();
  CUstream stream = gpu_stream();
  raw raws[3];
  CUdeviceptr memory[3];
  size_t pitch;
  encoder_picture picture;
  for (unsigned i = 0; i < 3; i++) {
    raws[i] = make_raw(TELE_FORMAT_RGBA8, 64, 36, i);
    memory[i] = gpu_upload(raws[i].pixels, raws[i].header.stride, 36, &pitch);
  }
  for (int to_memory = 0; to_memory <= 1; to_memory++) {
    cuda_pictures *pictures = open_pictures(&raws[0], to_memory != 0);
    cuda_source sources[3];
    for (int i = 0; i < 3; i++) {
      sources[i] = (cuda_source){.format = TELE_FORMAT_RGBA8, .address = memory[i], .pitch = (uint32_t)pitch};
    }
    CHECK_EQ(cuda_pictures_take(pictures, &picture), -ENODATA);
    CHECK_EQ(cuda_pictures_begin(pictures, &sources[0], stream), 0);
    CHECK_EQ(cuda_pictures_begin(pictures, &sources[1], stream), 0);
    CHECK_EQ(cuda_pictures_begin(pictures, &sources[2], stream), -EBUSY);
    CHECK_EQ(cuda_pictures_take(pictures, &picture), 0);
    CHECK_EQ(cuda_pictures_begin(pictures, &sources[2], stream), 0);
    expect_converted(&picture, &raws[0]); /* good until the next take */
    CHECK_EQ(cuda_pictures_take(pictures, &picture), 0);
    expect_converted(&picture, &raws[1]);
    cuda_pictures_close(pictures); /* with one in flight */
  }
  for (int i = 0; i < 3; i++) {
    gpu_free(memory[i]);
    free(raws[i].pixels);
  }
  gpu_free_stream(stream);
  gpu_end();
  expect_nothing_left();
}

/* ---- Failures --------------------------------------------------------------------------------------- */

static void sources_that_contradict_themselves_are_refused(void) {
  gpu_begin();
  raw raw = make_raw(TELE_FORMAT_RGBA8, 64, 36, 1);
  CUarray small = gpu_array(raw.pixels, 32, 36, 4), narrow = gpu_array(raw.pixels, 64, 36, 1);
  size_t pitch;
  CUdeviceptr memory = gpu_upload(raw.pixels, raw.header.stride, 36, &pitch);
  const struct {
    cuda_source source;
    const char *message;
  } cases[] = {
      {{.format = TELE_FORMAT_RGBA8}, "has an address or an array"},
      {{.format = TELE_FORMAT_I420, .address = memory}, "cannot convert a picture of format 6"},
      {{.format = TELE_FORMAT_RGB8, .array = small}, "cannot convert an array of format 1"},
      {{.format = TELE_FORMAT_RGBA8, .address = memory, .pitch = 255}, "at least 256 bytes, and these are 255"},
      {{.format = TELE_FORMAT_RGBA8, .address = (uintptr_t)raw.pixels}, "are not in CUDA's memory"},
      {{.format = TELE_FORMAT_NV12, .address = memory, .chroma = 4096}, "the UV rows at 0x1000 are not in CUDA's"},
      {{.format = TELE_FORMAT_RGBA8, .array = small}, "32 x 36 elements of 4 channels"},
      {{.format = TELE_FORMAT_RGBA8, .array = narrow}, "expected 64 x 36 of 4 unsigned bytes"},
  };
  cuda_pictures *pictures = open_pictures(&raw, true);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    CHECK_EQ(cuda_pictures_begin(pictures, &cases[i].source, NULL), -EINVAL);
    CHECK_MESSAGE(cases[i].message);
  }
  cuda_pictures_close(pictures);
  CHECK_EQ(cuda_pictures_open(7, 64, 36, true, &pictures), -ENODEV);
  CHECK_MESSAGE("there is no CUDA device 7: the driver knows 1, counted from 0");
  gpu_free(memory);
  gpu_free_array(small);
  gpu_free_array(narrow);
  gpu_end();
  free(raw.pixels);
  expect_nothing_left();
}

static void fail_once(void *argument) {
  const char *plan = argument;
  char call[64];
  CHECK_EQ(sscanf(plan, "%63s", call), 1);
  gpu_begin();
  raw raw = make_raw(TELE_FORMAT_RGBA8, 64, 36, 1);
  size_t pitch;
  CUdeviceptr memory = gpu_upload(raw.pixels, raw.header.stride, 36, &pitch);
  CUarray array = gpu_array(raw.pixels, 64, 36, 4);
  const cuda_source sources[] = {{.format = TELE_FORMAT_RGBA8, .address = memory, .pitch = (uint32_t)pitch},
                                 {.format = TELE_FORMAT_RGBA8, .array = array}};
  setenv("NVENC_DOUBLE_FAIL", plan, 1);
  cuda_pictures *pictures;
  encoder_picture picture;
  int failures = 0;
  int result = cuda_pictures_open(0, 64, 36, true, &pictures);
  if (result < 0) {
    failures++;
    CHECK_MESSAGE(call);
    CHECK(pictures == NULL);
  }
  /* One failure leaves it usable: the other picture is whole. */
  for (int i = 0; result == 0 && i < 2; i++) {
    int begun = cuda_pictures_begin(pictures, &sources[i], NULL);
    if (begun == 0) begun = cuda_pictures_take(pictures, &picture);
    if (begun == 0) {
      expect_converted(&picture, &raw);
      continue;
    }
    failures++;
    CHECK_MESSAGE(call);
    CHECK_MESSAGE("NVENC double: ");
    CHECK(begun == -EIO || begun == -ENOMEM);
  }
  CHECK_EQ(failures, 1);
  cuda_pictures_close(pictures);
  gpu_free(memory);
  gpu_free_array(array);
  gpu_end();
  free(raw.pixels);
  expect_nothing_left();
}

static void a_call_that_fails_leaves_nothing(void) {
  const char *const plans[] = {"cuDevicePrimaryCtxRetain 1 999",
                               "cuCtxPushCurrent 1 999",
                               "cuModuleLoadDataEx 1 218",
                               "cuModuleGetFunction 3 500",
                               "cuStreamCreate 1 999",
                               "cuEventCreate 1 2",
                               "cuEventCreate 6 2",
                               "cuMemAlloc 2 2",
                               "cuMemHostAlloc 3 2",
                               "cuPointerGetAttribute 1 999",
                               "cuArray3DGetDescriptor 1 999",
                               "cuTexObjectCreate 1 999",
                               "cuLaunchKernel 1 999",
                               "cuLaunchKernel 2 999",
                               "cuEventRecord 1 999",
                               "cuStreamWaitEvent 1 999",
                               "cuMemcpyDtoHAsync 2 999",
                               "cuEventRecord 4 999",
                               "cuEventSynchronize 1 719"};
  for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
    expect_child_done(start_child(fail_once, (void *)plans[i]));
  }
}

static const test tests[] = {
    {"every format comes out as the CPU makes it", every_format_comes_out_as_the_cpu_makes_it},
    {"arrays do too, also upside down", arrays_do_too_also_upside_down},
    {"pictures overlap and stay apart", pictures_overlap_and_stay_apart},
    {"sources that contradict themselves are refused", sources_that_contradict_themselves_are_refused},
    {"a call that fails leaves nothing", a_call_that_fails_leaves_nothing},
};
SUITE_ON_REQUEST(gpu_pictures, tests);
