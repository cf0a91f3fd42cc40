/* Pictures in, access units out, and the end of the stream. */
#include "internals.h"

/* "At least 4 more than the number of B frames", for input and output buffers each. */
#define BUFFERS_MIN 4

static const input_buffer *check_input(const char *call, session *session, const NV_ENC_PIC_PARAMS *picture) {
  input_buffer *input = find_handle(call, HANDLE_INPUT, session, picture->inputBuffer);
  DEMAND(!input->is_locked, "%s: the input buffer is locked", call);
  DEMAND(input->is_filled, "%s: nothing new is in the input buffer", call);
  DEMAND(picture->bufferFmt == NV_ENC_BUFFER_FORMAT_IYUV, "%s: the input buffer is IYUV", call);
  DEMAND(picture->inputWidth == input->width && picture->inputHeight == input->height, "%s: another size", call);
  DEMAND(picture->inputPitch == input->pitch, "%s: the pitch is %u, not %u", call, input->pitch, picture->inputPitch);
  input->is_filled = false;
  return input;
}

static NVENCSTATUS encode_picture(void *encoder, NV_ENC_PIC_PARAMS *picture) {
  ENTER("nvEncEncodePicture", INITIALIZED);
  check_picture(picture);
  DEMAND(!session->is_flushed, "%s: after the end of the stream", call);
  if (picture->encodePicFlags & NV_ENC_PIC_FLAG_EOS) {
    DEMAND(picture->inputBuffer == NULL, "%s: the end of the stream has no picture", call);
    DEMAND(session->fetched == session->submitted || session->has_failed, "%s: access units were not fetched", call);
    session->is_flushed = true;
    return leave(session, NV_ENC_SUCCESS);
  }
  bool is_mapped = is_handle(HANDLE_MAPPING, picture->inputBuffer);
  DEMAND((session->inputs >= BUFFERS_MIN || is_mapped) && session->outputs >= BUFFERS_MIN,
         "%s: %d input and %d bitstream buffers", call, session->inputs, session->outputs);
  DEMAND(picture->pictureStruct == NV_ENC_PIC_STRUCT_FRAME, "%s: not a frame", call);
  const input_buffer *input = is_mapped ? read_mapping(call, session, picture) : check_input(call, session, picture);
  output_buffer *output = find_handle(call, HANDLE_OUTPUT, session, picture->outputBitstream);
  DEMAND(!output->is_locked && output->ticket == 0, "%s: the bitstream buffer is in use", call);
  /* Settings that hold pictures back do so. */
  const NV_ENC_CONFIG *config = &session->config;
  if (config->frameIntervalP != 1 || config->rcParams.enableLookahead)
    return leave(session, NV_ENC_ERR_NEED_MORE_INPUT);
  bool idr = (picture->encodePicFlags & NV_ENC_PIC_FLAG_FORCEIDR) != 0 || session->since_keyframe >= config->gopLength;
  h264_stream_encode(session->stream, input, idr, output);
  session->since_keyframe = output->type == NV_ENC_PIC_TYPE_IDR ? 1 : session->since_keyframe + 1;
  output->ticket = ++session->submitted;
  return leave(session, NV_ENC_SUCCESS);
}

void list_picture_calls(NV_ENCODE_API_FUNCTION_LIST *list) { list->nvEncEncodePicture = encode_picture; }
