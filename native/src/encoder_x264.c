/*
 * x264, when it is installed. It is GPL, so that nothing of it is linked or shipped: the user's own libx264 is opened
 * at run time, by the very version whose header this was compiled with, since its structs change with every build.
 */
#include <errno.h>
#include <stdio.h>

#include "encoder.h"
#include "error.h"

#if __has_include(<x264.h>)

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <x264.h>

#define TEXT_OF(macro) TEXT(macro)
#define TEXT(token) #token
#define LIBRARY_FILE "libx264.so." TEXT_OF(X264_BUILD)

/* The functions used, by the header's own types. x264_encoder_open is a macro that ends in the build's number. */
static struct {
  __typeof__(&x264_param_default_preset) param_default_preset;
  __typeof__(&x264_param_apply_profile) param_apply_profile;
  __typeof__(&x264_picture_init) picture_init;
  __typeof__(&x264_encoder_open) encoder_open;
  __typeof__(&x264_encoder_reconfig) encoder_reconfig;
  __typeof__(&x264_encoder_encode) encoder_encode;
  __typeof__(&x264_encoder_close) encoder_close;
} x264;

static char load_error[128]; /* why it could not be loaded; empty when it was */

static void load(void) {
  const struct {
    const char *name;
    void *into; /* POSIX lets a data pointer from dlsym() be stored as a function's */
  } symbols[] = {
      {"x264_param_default_preset", &x264.param_default_preset},
      {"x264_param_apply_profile", &x264.param_apply_profile},
      {"x264_picture_init", &x264.picture_init},
      {TEXT_OF(x264_encoder_open), &x264.encoder_open},
      {"x264_encoder_reconfig", &x264.encoder_reconfig},
      {"x264_encoder_encode", &x264.encoder_encode},
      {"x264_encoder_close", &x264.encoder_close},
  };
  void *library = dlopen(LIBRARY_FILE, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    snprintf(load_error, sizeof load_error, "%s", dlerror());
    return;
  }
  for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
    *(void **)symbols[i].into = dlsym(library, symbols[i].name);
    if (*(void **)symbols[i].into != NULL) continue;
    snprintf(load_error, sizeof load_error, LIBRARY_FILE " has no %s", symbols[i].name);
    return;
  }
}

static int load_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  return load_error[0] == '\0' ? 0 : error_set(ENOENT, "cannot use x264: %s", load_error);
}

typedef struct x264_encoder {
  encoder base;
  encoder_config config;
  x264_t *library;
  x264_param_t parameters;
  bool begun; /* a picture of the caller's has been encoded */
  int64_t pictures;
  char log[128]; /* what the library complained of last */
} x264_encoder;

static void keep_log(void *context, int level, const char *format, va_list arguments) {
  if (level > X264_LOG_ERROR) return;
  vsnprintf(context, sizeof((x264_encoder *)0)->log, format, arguments);
}

static int whole_kbits(double kbits) { return kbits < 1 ? 1 : kbits > 2e6 ? 2000000 : (int)kbits; }

/* With a VBV of one frame at exactly the bitrate the library leaves a fifth to a quarter of it unused. Told a quarter
 * more it comes near, and the largest access unit is 1.2 frames' share, IDRs too (bench/native/encode.c). Only with
 * the peak at the mean (CBR) does it follow another bitrate at once. */
#define HEADROOM 1.25

/* A picture's share of the bitrate is what counts. The library keeps the frame rate that it was opened with, so that
 * another one is told as another bitrate. */
static void set_rate(x264_encoder *encoder) {
  const encoder_config *config = &encoder->config;
  x264_param_t *parameters = &encoder->parameters;
  double fps_opened = (double)parameters->i_fps_num / parameters->i_fps_den;
  double frame_kbits = config->bitrate_kbps * HEADROOM * 1000 / config->fps_mhz;
  parameters->rc.i_bitrate = whole_kbits(frame_kbits * fps_opened);
  parameters->rc.i_vbv_max_bitrate = parameters->rc.i_bitrate;
  parameters->rc.i_vbv_buffer_size = whole_kbits(frame_kbits);
}

static void set_parameters(x264_encoder *encoder) {
  const encoder_config *config = &encoder->config;
  x264_param_t *parameters = &encoder->parameters;
  x264.param_default_preset(parameters, "ultrafast", "zerolatency");
  parameters->pf_log = keep_log;
  parameters->p_log_private = encoder->log;
  parameters->i_log_level = X264_LOG_ERROR;
  parameters->i_width = (int)config->width;
  parameters->i_height = (int)config->height;
  parameters->i_csp = X264_CSP_I420;
  parameters->i_fps_num = config->fps_mhz;
  parameters->i_fps_den = 1000;
  parameters->b_vfr_input = 0;
  parameters->i_threads = (int)encoder_slices(config);
  parameters->i_keyint_max = X264_KEYINT_MAX_INFINITE; /* encode() counts */
  parameters->i_scenecut_threshold = 0;
  parameters->b_repeat_headers = 1;
  parameters->b_annexb = 1;
  parameters->b_aud = 0;
  parameters->vui.b_fullrange = 0;
  parameters->vui.i_colorprim = 1;
  parameters->vui.i_transfer = 1;
  parameters->vui.i_colmatrix = 1;
  parameters->rc.i_rc_method = X264_RC_ABR;
  set_rate(encoder);
  x264.param_apply_profile(parameters, "baseline");
}

static void close_encoder(encoder *base) {
  x264_encoder *encoder = (x264_encoder *)base;
  if (encoder == NULL) return;
  if (encoder->library != NULL) x264.encoder_close(encoder->library);
  free(encoder);
}

static int run_library(x264_encoder *encoder, const encoder_picture *picture, bool keyframe, access_unit *out) {
  x264_picture_t source, coded;
  x264.picture_init(&source);
  source.i_type = keyframe ? X264_TYPE_IDR : X264_TYPE_AUTO;
  source.i_pts = encoder->pictures++;
  source.img.i_csp = X264_CSP_I420;
  source.img.i_plane = 3;
  for (int i = 0; i < 3; i++) {
    source.img.plane[i] = (uint8_t *)picture->planes[i]; /* only read */
    source.img.i_stride[i] = picture->strides[i];
  }
  x264_nal_t *nals;
  int nals_count;
  int bytes = x264.encoder_encode(encoder->library, &nals, &nals_count, &source, &coded);
  if (bytes <= 0) {
    return error_set(EIO, "x264 cannot encode a picture of %u x %u: %s", picture->width, picture->height, encoder->log);
  }
  /* The NALs lie behind one another (x264.h). */
  *out = (access_unit){.bytes = nals[0].p_payload, .bytes_count = (size_t)bytes, .keyframe = coded.b_keyframe != 0};
  return 0;
}

/* The first two pictures in a process's life take ten times as long as the others (24 and 12 ms at 720p): memory that
 * is touched for the first time. So two grey ones go first, for nobody; the first real one is then made an IDR. */
#define WARM_UP_PICTURES 2
static int warm_up(x264_encoder *encoder) {
  const encoder_config *config = &encoder->config;
  size_t bytes = (size_t)config->width * config->height;
  uint8_t *grey = malloc(bytes);
  if (grey == NULL) return error_set(ENOMEM, "cannot open x264 for %u x %u: no memory", config->width, config->height);
  memset(grey, 128, bytes);
  int stride = (int)config->width;
  encoder_picture picture = {.planes = {grey, grey, grey},
                             .strides = {stride, stride, stride},
                             .width = config->width,
                             .height = config->height};
  access_unit unit;
  int result = 0;
  for (int i = 0; i < WARM_UP_PICTURES && result == 0; i++) result = run_library(encoder, &picture, false, &unit);
  free(grey);
  return result;
}

static int open_encoder(const encoder_config *config, encoder **made) {
  int result = load_once();
  if (result < 0) return result;
  x264_encoder *encoder = calloc(1, sizeof *encoder);
  if (encoder == NULL) return error_set(ENOMEM, "cannot open x264: no memory");
  encoder->base = (struct encoder){.backend = &encoder_x264, .name = "x264 " TEXT_OF(X264_BUILD)};
  encoder->config = *config;
  set_parameters(encoder);
  encoder->library = x264.encoder_open(&encoder->parameters);
  if (encoder->library == NULL) {
    result = error_set(EINVAL, "cannot open x264 for %u x %u: %s", config->width, config->height, encoder->log);
  } else {
    result = warm_up(encoder);
  }
  if (result < 0) {
    close_encoder(&encoder->base);
    return result;
  }
  *made = &encoder->base;
  return 0;
}

static int probe(char *detail, size_t detail_bytes) {
  encoder_config config = {.width = 64, .height = 64, .fps_mhz = 30000, .bitrate_kbps = 300};
  encoder *made;
  int result = open_encoder(&config, &made);
  snprintf(detail, detail_bytes, "%s",
           result == 0             ? LIBRARY_FILE
           : load_error[0] != '\0' ? load_error
                                   : tele_error_message());
  if (result == 0) close_encoder(made);
  return result;
}

static int reconfigure(encoder *base, const encoder_config *config) {
  x264_encoder *encoder = (x264_encoder *)base;
  int result = encoder_check_reconfigure(&encoder->config, config);
  if (result < 0) return result;
  encoder->config = *config;
  set_rate(encoder);
  if (x264.encoder_reconfig(encoder->library, &encoder->parameters) == 0) return 0;
  return error_set(EINVAL, "cannot set x264 to %u kbit/s: %s", config->bitrate_kbps, encoder->log);
}

static int encode(encoder *base, const encoder_picture *picture, bool keyframe, access_unit *out) {
  x264_encoder *encoder = (x264_encoder *)base;
  const encoder_config *config = &encoder->config;
  int result = encoder_check_picture(config, picture);
  if (result < 0) return result;
  result = run_library(encoder, picture, keyframe || !encoder->begun, out);
  if (result == 0) encoder->begun = true;
  return result;
}

#else

static int probe(char *detail, size_t detail_bytes) {
  snprintf(detail, detail_bytes, "built without x264.h");
  return -ENOTSUP;
}

static int open_encoder(const encoder_config *config, encoder **made) {
  (void)config, (void)made;
  return error_set(ENOTSUP, "cannot use x264: built without x264.h");
}

static int reconfigure(encoder *encoder, const encoder_config *config) {
  (void)encoder;
  return open_encoder(config, NULL);
}

static int encode(encoder *encoder, const encoder_picture *picture, bool keyframe, access_unit *out) {
  (void)encoder, (void)picture, (void)keyframe, (void)out;
  return open_encoder(NULL, NULL);
}

static void close_encoder(encoder *encoder) { (void)encoder; }

#endif

const encoder_backend encoder_x264 = {.kind = TELE_ENCODER_X264,
                                      .name = "x264",
                                      .probe = probe,
                                      .open = open_encoder,
                                      .reconfigure = reconfigure,
                                      .encode = encode,
                                      .close = close_encoder};
