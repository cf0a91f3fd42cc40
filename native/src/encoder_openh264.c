/*
 * OpenH264, linked into the library: what works where nothing else does.
 *
 * It has no VBV: its rate control aims at the bitrate over a second or so, and with skipping off (one picture in must
 * give one access unit out) a single access unit may be more than a frame's share: 1.7 shares in bench/native/encode.c,
 * 2.6 for a first IDR of noise. Its VUI tells the colours and no bitstream restriction; baseline profile without B
 * slices and with pic_order_cnt_type 2 says the same: nothing is reordered (H.264, 8.2.1.3).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wels/codec_api.h>

#include "encoder.h"
#include "error.h"

/* What the library takes as a frame rate; it clips silently. */
#define FPS_MIN 1.0f
#define FPS_MAX 60.0f
/* Smaller pictures are accepted when it is opened, and then every one of them fails. */
#define SIDE_MIN 16u

typedef struct openh264_encoder {
  encoder base;
  encoder_config config;
  ISVCEncoder *library;
  uint8_t *bytes; /* the last access unit */
  size_t bytes_max;
  int64_t pictures;
  char trace[128]; /* what the library complained of last */
} openh264_encoder;

static void keep_trace(void *context, int level, const char *text) {
  if (level > WELS_LOG_ERROR) return;
  const char *reason = strstr(text, "Error:"); /* behind the address of the library's object */
  snprintf(context, sizeof((openh264_encoder *)0)->trace, "%s", reason != NULL ? reason + strlen("Error:") : text);
}

static int probe(char *detail, size_t detail_bytes) {
  OpenH264Version version;
  WelsGetCodecVersionEx(&version);
  snprintf(detail, detail_bytes, "OpenH264 %u.%u.%u, built in", version.uMajor, version.uMinor, version.uRevision);
  return 0;
}

static void close_encoder(encoder *base) {
  openh264_encoder *encoder = (openh264_encoder *)base;
  if (encoder == NULL) return;
  if (encoder->library != NULL) {
    (*encoder->library)->Uninitialize(encoder->library);
    WelsDestroySVCEncoder(encoder->library);
  }
  free(encoder->bytes);
  free(encoder);
}

static float library_fps(const encoder_config *config) {
  float fps = (float)config->fps_mhz / 1000;
  return fps < FPS_MIN ? FPS_MIN : fps > FPS_MAX ? FPS_MAX : fps;
}

/* So that a picture gets its share of the bitrate above 60 pictures a second too. */
static int library_bps(const encoder_config *config) {
  double bps = config->bitrate_kbps * 1000.0, fps = config->fps_mhz / 1000.0;
  if (fps > FPS_MAX) bps *= FPS_MAX / fps;
  return bps > 240e6 ? 240000000 : (int)bps; /* level 5.2 ends there */
}

static int set_parameters(openh264_encoder *encoder) {
  const encoder_config *config = &encoder->config;
  ISVCEncoder *library = encoder->library;
  SEncParamExt parameters;
  (*library)->GetDefaultParams(library, &parameters);
  /* The mode for screen content takes three times as long, and its rate control leaves most of the bitrate unused: 3 to
   * 4 dB less (bench/native/encode.c). */
  parameters.iUsageType = CAMERA_VIDEO_REAL_TIME;
  parameters.iPicWidth = (int)config->width;
  parameters.iPicHeight = (int)config->height;
  parameters.iTargetBitrate = library_bps(config);
  parameters.iMaxBitrate = UNSPECIFIED_BIT_RATE;
  parameters.iRCMode = RC_BITRATE_MODE;
  parameters.fMaxFrameRate = library_fps(config);
  parameters.bEnableFrameSkip = false;
  /* The default ends at 42, where noise at 720p takes 1.4 times its bitrate, and the debt is then paid for seconds. */
  parameters.iMinQp = 12;
  parameters.iMaxQp = 51;
  parameters.iComplexityMode = LOW_COMPLEXITY;
  parameters.uiIntraPeriod = 0; /* encode() counts */
  parameters.iNumRefFrame = 1;
  parameters.eSpsPpsIdStrategy = CONSTANT_ID;
  parameters.bEnableSceneChangeDetect = false; /* it makes keyframes */
  parameters.bEnableDenoise = false;
  parameters.bEnableBackgroundDetection = false; /* it costs 0.6 to 1.2 dB and saves next to nothing */
  uint32_t slices = encoder_slices(config);
  parameters.iMultipleThreadIdc = (unsigned short)slices;
  parameters.bUseLoadBalancing = false; /* the same pictures give the same bytes */
  SSpatialLayerConfig *layer = &parameters.sSpatialLayers[0];
  layer->iVideoWidth = parameters.iPicWidth;
  layer->iVideoHeight = parameters.iPicHeight;
  layer->fFrameRate = parameters.fMaxFrameRate;
  layer->iSpatialBitrate = parameters.iTargetBitrate;
  layer->iMaxSpatialBitrate = UNSPECIFIED_BIT_RATE;
  layer->uiProfileIdc = PRO_BASELINE;
  layer->sSliceArgument.uiSliceMode = slices > 1 ? SM_FIXEDSLCNUM_SLICE : SM_SINGLE_SLICE;
  layer->sSliceArgument.uiSliceNum = slices;
  layer->bVideoSignalTypePresent = true;
  layer->uiVideoFormat = VF_UNDEF;
  layer->bFullRange = false;
  layer->bColorDescriptionPresent = true;
  layer->uiColorPrimaries = CP_BT709;
  layer->uiTransferCharacteristics = TRC_BT709;
  layer->uiColorMatrix = CM_BT709;
  if ((*library)->InitializeExt(library, &parameters) == cmResultSuccess) return 0;
  return error_set(EINVAL, "cannot open OpenH264 for %u x %u: %s", config->width, config->height, encoder->trace);
}

static int open_encoder(const encoder_config *config, encoder **made) {
  if (config->width < SIDE_MIN || config->height < SIDE_MIN) {
    return error_set(EINVAL, "cannot open OpenH264 for %u x %u: it takes pictures from %u x %u on", config->width,
                     config->height, SIDE_MIN, SIDE_MIN);
  }
  openh264_encoder *encoder = calloc(1, sizeof *encoder);
  if (encoder == NULL || WelsCreateSVCEncoder(&encoder->library) != 0) {
    free(encoder);
    return error_set(ENOMEM, "cannot open OpenH264: no memory");
  }
  OpenH264Version version;
  WelsGetCodecVersionEx(&version);
  encoder->base.backend = &encoder_openh264;
  snprintf(encoder->base.name, sizeof encoder->base.name, "OpenH264 %u.%u.%u", version.uMajor, version.uMinor,
           version.uRevision);
  encoder->config = *config;
  ISVCEncoder *library = encoder->library;
  int level = WELS_LOG_ERROR;
  WelsTraceCallback callback = keep_trace;
  void *context = encoder->trace;
  (*library)->SetOption(library, ENCODER_OPTION_TRACE_LEVEL, &level);
  (*library)->SetOption(library, ENCODER_OPTION_TRACE_CALLBACK, &callback);
  (*library)->SetOption(library, ENCODER_OPTION_TRACE_CALLBACK_CONTEXT, &context);
  int result = set_parameters(encoder);
  if (result < 0) {
    close_encoder(&encoder->base);
    return result;
  }
  *made = &encoder->base;
  return 0;
}

static int reconfigure(encoder *base, const encoder_config *config) {
  openh264_encoder *encoder = (openh264_encoder *)base;
  ISVCEncoder *library = encoder->library;
  int result = encoder_check_reconfigure(&encoder->config, config);
  if (result < 0) return result;
  float fps = library_fps(config);
  SBitrateInfo bitrate = {.iLayer = SPATIAL_LAYER_ALL, .iBitrate = library_bps(config)};
  encoder->config = *config;
  if ((*library)->SetOption(library, ENCODER_OPTION_FRAME_RATE, &fps) != cmResultSuccess ||
      (*library)->SetOption(library, ENCODER_OPTION_BITRATE, &bitrate) != cmResultSuccess) {
    return error_set(EINVAL, "cannot set OpenH264 to %u kbit/s: %s", config->bitrate_kbps, encoder->trace);
  }
  return 0;
}

/* The library's layers one behind the other: parameter sets, then slices. */
static int copy_layers(openh264_encoder *encoder, const SFrameBSInfo *info, access_unit *out) {
  size_t bytes_count = 0;
  for (int pass = 0; pass < 2; pass++) {
    if (pass == 1 && bytes_count > encoder->bytes_max) {
      free(encoder->bytes);
      encoder->bytes_max = 0;
      encoder->bytes = malloc(bytes_count * 2);
      if (encoder->bytes == NULL) return error_set(ENOMEM, "cannot encode: no memory for %zu bytes", bytes_count);
      encoder->bytes_max = bytes_count * 2;
    }
    bytes_count = 0;
    for (int i = 0; i < info->iLayerNum; i++) {
      size_t layer_bytes = 0;
      for (int nal = 0; nal < info->sLayerInfo[i].iNalCount; nal++) {
        layer_bytes += (size_t)info->sLayerInfo[i].pNalLengthInByte[nal];
      }
      if (pass == 1) memcpy(encoder->bytes + bytes_count, info->sLayerInfo[i].pBsBuf, layer_bytes);
      bytes_count += layer_bytes;
    }
  }
  *out = (access_unit){
      .bytes = encoder->bytes, .bytes_count = bytes_count, .keyframe = info->eFrameType == videoFrameTypeIDR};
  return 0;
}

static int encode(encoder *base, const encoder_picture *picture, bool keyframe, access_unit *out) {
  openh264_encoder *encoder = (openh264_encoder *)base;
  ISVCEncoder *library = encoder->library;
  const encoder_config *config = &encoder->config;
  int result = encoder_check_picture(config, picture);
  if (result < 0) return result;
  if (keyframe) (*library)->ForceIntraFrame(library, true);
  SSourcePicture source = {.iColorFormat = videoFormatI420,
                           .iPicWidth = (int)picture->width,
                           .iPicHeight = (int)picture->height,
                           .uiTimeStamp = encoder->pictures++ * 1000000 / config->fps_mhz};
  for (int i = 0; i < 3; i++) {
    source.pData[i] = (uint8_t *)picture->planes[i]; /* only read */
    source.iStride[i] = picture->strides[i];
  }
  SFrameBSInfo info = {.iLayerNum = 0};
  if ((*library)->EncodeFrame(library, &source, &info) != cmResultSuccess || info.iFrameSizeInBytes == 0) {
    return error_set(EIO, "OpenH264 cannot encode a picture of %u x %u: %s", picture->width, picture->height,
                     encoder->trace);
  }
  return copy_layers(encoder, &info, out);
}

const encoder_backend encoder_openh264 = {.kind = TELE_ENCODER_OPENH264,
                                          .name = "openh264",
                                          .probe = probe,
                                          .open = open_encoder,
                                          .reconfigure = reconfigure,
                                          .encode = encode,
                                          .close = close_encoder};
