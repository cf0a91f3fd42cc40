/* The stream that the double makes, by OpenH264: as much of the configuration as a decoder can see. */
#include <stdlib.h>
#include <string.h>
#include <wels/codec_api.h>

#include "internals.h"

#define FPS_MAX 60.0 /* OpenH264 takes no more */

struct h264_stream {
  ISVCEncoder *encoder;
  double fps, elapsed_ms;
};

static double fps_of(const NV_ENC_INITIALIZE_PARAMS *params) {
  double fps = (double)params->frameRateNum / params->frameRateDen;
  return fps < 1 ? 1 : fps;
}

static int bps_of(const NV_ENC_INITIALIZE_PARAMS *params, const NV_ENC_CONFIG *config) {
  double bps = config->rcParams.averageBitRate, fps = fps_of(params);
  if (fps > FPS_MAX) bps *= FPS_MAX / fps;
  return bps > 240e6 ? 240000000 : (int)bps;
}

static void describe_colours(SSpatialLayerConfig *layer, const NV_ENC_CONFIG_H264_VUI_PARAMETERS *vui) {
  layer->bVideoSignalTypePresent = vui->videoSignalTypePresentFlag != 0;
  layer->uiVideoFormat = (unsigned char)vui->videoFormat;
  layer->bFullRange = vui->videoFullRangeFlag != 0;
  layer->bColorDescriptionPresent = vui->colourDescriptionPresentFlag != 0;
  layer->uiColorPrimaries = (unsigned char)vui->colourPrimaries;
  layer->uiTransferCharacteristics = (unsigned char)vui->transferCharacteristics;
  layer->uiColorMatrix = (unsigned char)vui->colourMatrix;
}

h264_stream *h264_stream_open(const NV_ENC_INITIALIZE_PARAMS *params, const NV_ENC_CONFIG *config) {
  h264_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL || WelsCreateSVCEncoder(&stream->encoder) != 0) abort();
  stream->fps = fps_of(params);
  ISVCEncoder *encoder = stream->encoder;
  int level = WELS_LOG_QUIET;
  (*encoder)->SetOption(encoder, ENCODER_OPTION_TRACE_LEVEL, &level);
  SEncParamExt wanted;
  (*encoder)->GetDefaultParams(encoder, &wanted);
  wanted.iUsageType = CAMERA_VIDEO_REAL_TIME;
  wanted.iPicWidth = (int)params->encodeWidth;
  wanted.iPicHeight = (int)params->encodeHeight;
  wanted.iTargetBitrate = bps_of(params, config);
  wanted.iMaxBitrate = UNSPECIFIED_BIT_RATE;
  wanted.iRCMode = RC_BITRATE_MODE;
  wanted.fMaxFrameRate = (float)(fps_of(params) < FPS_MAX ? fps_of(params) : FPS_MAX);
  wanted.bEnableFrameSkip = false;
  wanted.uiIntraPeriod = 0;
  wanted.iNumRefFrame = 1;
  wanted.eSpsPpsIdStrategy = CONSTANT_ID;
  wanted.bEnableSceneChangeDetect = false;
  wanted.iMultipleThreadIdc = 1;
  SSpatialLayerConfig *layer = &wanted.sSpatialLayers[0];
  layer->iVideoWidth = wanted.iPicWidth;
  layer->iVideoHeight = wanted.iPicHeight;
  layer->fFrameRate = wanted.fMaxFrameRate;
  layer->iSpatialBitrate = wanted.iTargetBitrate;
  layer->iMaxSpatialBitrate = UNSPECIFIED_BIT_RATE;
  layer->sSliceArgument.uiSliceMode = SM_SINGLE_SLICE;
  describe_colours(layer, &config->encodeCodecConfig.h264Config.h264VUIParameters);
  if ((*encoder)->InitializeExt(encoder, &wanted) != cmResultSuccess) VIOLATION("OpenH264 refuses these settings");
  return stream;
}

void h264_stream_set_rates(h264_stream *stream, const NV_ENC_INITIALIZE_PARAMS *params, const NV_ENC_CONFIG *config) {
  ISVCEncoder *encoder = stream->encoder;
  stream->fps = fps_of(params);
  float fps = (float)(stream->fps < FPS_MAX ? stream->fps : FPS_MAX);
  SBitrateInfo bitrate = {.iLayer = SPATIAL_LAYER_ALL, .iBitrate = bps_of(params, config)};
  (*encoder)->SetOption(encoder, ENCODER_OPTION_FRAME_RATE, &fps);
  (*encoder)->SetOption(encoder, ENCODER_OPTION_BITRATE, &bitrate);
}

static void keep_bytes(const SFrameBSInfo *info, output_buffer *output) {
  size_t bytes_count = 0;
  for (int i = 0; i < info->iLayerNum; i++) {
    const SLayerBSInfo *layer = &info->sLayerInfo[i];
    size_t layer_bytes = 0;
    for (int j = 0; j < layer->iNalCount; j++) layer_bytes += (size_t)layer->pNalLengthInByte[j];
    output->bytes = realloc(output->bytes, bytes_count + layer_bytes + 1);
    if (output->bytes == NULL) abort();
    memcpy(output->bytes + bytes_count, layer->pBsBuf, layer_bytes);
    bytes_count += layer_bytes;
  }
  output->bytes_count = bytes_count;
  output->type = info->eFrameType == videoFrameTypeIDR ? NV_ENC_PIC_TYPE_IDR : NV_ENC_PIC_TYPE_P;
}

void h264_stream_encode(h264_stream *stream, const input_buffer *input, bool idr, output_buffer *output) {
  ISVCEncoder *encoder = stream->encoder;
  size_t luma_bytes = (size_t)input->pitch * input->height;
  SSourcePicture picture = {.iColorFormat = videoFormatI420,
                            .iStride = {(int)input->pitch, (int)input->pitch / 2, (int)input->pitch / 2},
                            .pData = {input->bytes, input->bytes + luma_bytes, input->bytes + luma_bytes / 4 * 5},
                            .iPicWidth = (int)input->width,
                            .iPicHeight = (int)input->height,
                            .uiTimeStamp = (long long)stream->elapsed_ms};
  SFrameBSInfo info = {0};
  stream->elapsed_ms += 1000 / stream->fps;
  if (idr) (*encoder)->ForceIntraFrame(encoder, true);
  if ((*encoder)->EncodeFrame(encoder, &picture, &info) != cmResultSuccess) VIOLATION("OpenH264 fails");
  keep_bytes(&info, output);
}

void h264_stream_close(h264_stream *stream) {
  if (stream == NULL) return;
  (*stream->encoder)->Uninitialize(stream->encoder);
  WelsDestroySVCEncoder(stream->encoder);
  free(stream);
}
