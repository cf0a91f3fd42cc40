/* Input and bitstream buffers: their life, their locks, and that nothing is written beyond the picture. */
#include <stdlib.h>
#include <string.h>

#include "internals.h"

#define PITCH_ALIGNMENT 256
#define GUARD_BYTES 4096
#define GUARD 0xA5

/* Beyond the picture's columns in each row, and behind the last row. */
static void visit_guards(const char *call, const input_buffer *input, bool fill) {
  uint8_t *row = input->bytes;
  uint32_t rows = input->height * 2; /* those of both chroma planes are half as long */
  for (uint32_t i = 0; i < rows; i++) {
    bool is_luma = i < input->height;
    uint32_t width = is_luma ? input->width : input->width / 2, pitch = is_luma ? input->pitch : input->pitch / 2;
    if (fill) memset(row + width, GUARD, pitch - width);
    for (uint32_t column = width; column < pitch; column++) {
      DEMAND(row[column] == GUARD, "%s: row %u was written beyond the picture's %u columns", call, i, width);
    }
    row += pitch;
  }
  if (fill) memset(row, GUARD, GUARD_BYTES);
  for (int i = 0; i < GUARD_BYTES; i++) DEMAND(row[i] == GUARD, "%s: written %d bytes behind the buffer", call, i + 1);
}

static NVENCSTATUS create_input(void *encoder, NV_ENC_CREATE_INPUT_BUFFER *params) {
  ENTER("nvEncCreateInputBuffer", INITIALIZED);
  check_create_input(params);
  DEMAND(params->bufferFmt == NV_ENC_BUFFER_FORMAT_IYUV, "%s: the double takes IYUV only", call);
  DEMAND(params->width == session->params.encodeWidth && params->height == session->params.encodeHeight,
         "%s: not of the pictures' size", call);
  input_buffer *made = new_handle(HANDLE_INPUT, sizeof *made, session);
  made->width = params->width;
  made->height = params->height;
  made->pitch = (params->width / PITCH_ALIGNMENT + 1) * PITCH_ALIGNMENT; /* never the width itself */
  made->bytes = malloc((size_t)made->pitch * made->height / 2 * 3 + GUARD_BYTES);
  if (made->bytes == NULL) abort();
  visit_guards(call, made, true);
  session->inputs++;
  params->inputBuffer = made;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS destroy_input(void *encoder, NV_ENC_INPUT_PTR buffer) {
  session *session = enter("nvEncDestroyInputBuffer", encoder, INITIALIZED);
  input_buffer *input = find_handle("nvEncDestroyInputBuffer", HANDLE_INPUT, session, buffer);
  DEMAND(!input->is_locked || session->has_failed, "nvEncDestroyInputBuffer: it is locked");
  session->locks -= input->is_locked;
  input->handle.is_alive = false;
  free(input->bytes);
  input->bytes = NULL;
  session->inputs--;
  return leave(session, failure_of(session, "nvEncDestroyInputBuffer"));
}

static NVENCSTATUS lock_input(void *encoder, NV_ENC_LOCK_INPUT_BUFFER *lock) {
  ENTER("nvEncLockInputBuffer", INITIALIZED);
  check_lock_input(lock);
  input_buffer *input = find_handle(call, HANDLE_INPUT, session, lock->inputBuffer);
  DEMAND(!input->is_locked, "%s: it is locked already", call);
  input->is_locked = true;
  session->locks++;
  lock->bufferDataPtr = input->bytes;
  lock->pitch = input->pitch;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS unlock_input(void *encoder, NV_ENC_INPUT_PTR buffer) {
  ENTER("nvEncUnlockInputBuffer", INITIALIZED);
  input_buffer *input = find_handle(call, HANDLE_INPUT, session, buffer);
  DEMAND(input->is_locked, "%s: it is not locked", call);
  visit_guards(call, input, false);
  input->is_locked = false;
  input->is_filled = true;
  session->locks--;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS create_output(void *encoder, NV_ENC_CREATE_BITSTREAM_BUFFER *params) {
  ENTER("nvEncCreateBitstreamBuffer", INITIALIZED);
  check_create_output(params);
  output_buffer *made = new_handle(HANDLE_OUTPUT, sizeof *made, session);
  session->outputs++;
  params->bitstreamBuffer = made;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS destroy_output(void *encoder, NV_ENC_OUTPUT_PTR buffer) {
  session *session = enter("nvEncDestroyBitstreamBuffer", encoder, INITIALIZED);
  output_buffer *output = find_handle("nvEncDestroyBitstreamBuffer", HANDLE_OUTPUT, session, buffer);
  DEMAND(!output->is_locked || session->has_failed, "nvEncDestroyBitstreamBuffer: it is locked");
  session->locks -= output->is_locked;
  output->handle.is_alive = false;
  free(output->bytes);
  output->bytes = NULL;
  session->outputs--;
  return leave(session, failure_of(session, "nvEncDestroyBitstreamBuffer"));
}

/* In the order in which they were submitted. */
static NVENCSTATUS lock_output(void *encoder, NV_ENC_LOCK_BITSTREAM *lock) {
  ENTER("nvEncLockBitstream", INITIALIZED);
  check_lock_output(lock);
  output_buffer *output = find_handle(call, HANDLE_OUTPUT, session, lock->outputBitstream);
  DEMAND(!output->is_locked, "%s: it is locked already", call);
  DEMAND(output->ticket == session->fetched + 1, "%s: it is not the oldest that was submitted", call);
  session->fetched++;
  output->is_locked = true;
  session->locks++;
  lock->bitstreamBufferPtr = output->bytes;
  lock->bitstreamSizeInBytes = (uint32_t)output->bytes_count;
  lock->pictureType = output->type;
  lock->pictureStruct = NV_ENC_PIC_STRUCT_FRAME;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS unlock_output(void *encoder, NV_ENC_OUTPUT_PTR buffer) {
  ENTER("nvEncUnlockBitstream", INITIALIZED);
  output_buffer *output = find_handle(call, HANDLE_OUTPUT, session, buffer);
  DEMAND(output->is_locked, "%s: it is not locked", call);
  /* Whoever still reads there reads nonsense. */
  memset(output->bytes, GUARD, output->bytes_count);
  output->is_locked = false;
  output->ticket = 0;
  session->locks--;
  return leave(session, NV_ENC_SUCCESS);
}

void list_buffer_calls(NV_ENCODE_API_FUNCTION_LIST *list) {
  list->nvEncCreateInputBuffer = create_input;
  list->nvEncDestroyInputBuffer = destroy_input;
  list->nvEncLockInputBuffer = lock_input;
  list->nvEncUnlockInputBuffer = unlock_input;
  list->nvEncCreateBitstreamBuffer = create_output;
  list->nvEncDestroyBitstreamBuffer = destroy_output;
  list->nvEncLockBitstream = lock_output;
  list->nvEncUnlockBitstream = unlock_output;
}
