#include "decoder.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <wels/codec_api.h>

#include "error.h"

struct decoder {
  ISVCDecoder *library;
};

int decoder_open(decoder **made) {
  decoder *decoder = calloc(1, sizeof *decoder);
  if (decoder == NULL || WelsCreateDecoder(&decoder->library) != 0) {
    free(decoder);
    return error_set(ENOMEM, "cannot open OpenH264's decoder: no memory");
  }
  ISVCDecoder *library = decoder->library;
  int level = WELS_LOG_QUIET;
  (*library)->SetOption(library, DECODER_OPTION_TRACE_LEVEL, &level);
  /* Nothing is concealed: a picture with holes, or none after damage, would be shown as if it were the run's. */
  SDecodingParam parameters = {.uiTargetDqLayer = UCHAR_MAX,
                               .eEcActiveIdc = ERROR_CON_DISABLE,
                               .sVideoProperty = {.eVideoBsType = VIDEO_BITSTREAM_AVC}};
  if ((*library)->Initialize(library, &parameters) != cmResultSuccess) {
    decoder_close(decoder);
    return error_set(ENOMEM, "cannot open OpenH264's decoder: it does not start");
  }
  *made = decoder;
  return 0;
}

void decoder_close(decoder *decoder) {
  if (decoder == NULL) return;
  (*decoder->library)->Uninitialize(decoder->library);
  WelsDestroyDecoder(decoder->library);
  free(decoder);
}

int decoder_run(decoder *decoder, const void *bytes, size_t bytes_count, encoder_picture *picture) {
  ISVCDecoder *library = decoder->library;
  if (bytes_count == 0 || bytes_count > INT_MAX) return 0;
  uint8_t *planes[3] = {NULL, NULL, NULL};
  SBufferInfo info = {.iBufferStatus = 0};
  int state = (int)(*library)->DecodeFrameNoDelay(library, bytes, (int)bytes_count, planes, &info);
  if ((state & dsOutOfMemory) != 0) return error_set(ENOMEM, "cannot decode H.264: no memory");
  /* Of Main and High profile it keeps a picture back, since B-frames might follow. A run's units come in their order.
   */
  if (state == dsErrorFree && info.iBufferStatus != 1) {
    state = (int)(*library)->FlushFrame(library, planes, &info);
  }
  if (state != dsErrorFree || info.iBufferStatus != 1 || planes[0] == NULL) return 0;
  const SSysMEMBuffer *buffer = &info.UsrData.sSystemBuffer;
  *picture = (encoder_picture){.planes = {planes[0], planes[1], planes[2]},
                               .strides = {buffer->iStride[0], buffer->iStride[1], buffer->iStride[1]},
                               .width = (uint32_t)buffer->iWidth,
                               .height = (uint32_t)buffer->iHeight};
  return 1;
}
