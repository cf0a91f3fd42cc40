/* The caller's memory on the GPU as input: registered once, mapped for each picture, and unmapped when that is encoded.
 */
#include <stdlib.h>
#include <string.h>

#include "internals.h"

struct resource {
  handle handle;
  unsigned long long address;
  input_buffer picture; /* what was there when it was encoded, in I420 */
  uint32_t pitch;
  bool is_mapped;
};

typedef struct mapping {
  handle handle;
  resource *resource;
} mapping;

static size_t nv12_bytes(const resource *resource) {
  const input_buffer *picture = &resource->picture;
  return (size_t)resource->pitch * (picture->height / 2 * 3 - 1) + picture->width;
}

static NVENCSTATUS register_resource(void *encoder, NV_ENC_REGISTER_RESOURCE *wanted) {
  ENTER("nvEncRegisterResource", INITIALIZED);
  check_register(wanted);
  DEMAND(wanted->width == session->params.encodeWidth && wanted->height == session->params.encodeHeight,
         "%s: not of the pictures' size", call);
  resource *made = new_handle(HANDLE_RESOURCE, sizeof *made, session);
  made->address = (uintptr_t)wanted->resourceToRegister;
  made->pitch = wanted->pitch;
  made->picture = (input_buffer){.width = wanted->width, .height = wanted->height, .pitch = wanted->width};
  made->picture.bytes = malloc((size_t)wanted->width * wanted->height / 2 * 3);
  if (made->picture.bytes == NULL) abort();
  nvenc_double_gpu_bytes(call, made->address, nv12_bytes(made));
  nvenc_double_count_reader(made->address, 1);
  session->resources++;
  wanted->registeredResource = made;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS unregister_resource(void *encoder, NV_ENC_REGISTERED_PTR given) {
  session *session = enter("nvEncUnregisterResource", encoder, INITIALIZED);
  resource *found = find_handle("nvEncUnregisterResource", HANDLE_RESOURCE, session, given);
  DEMAND(!found->is_mapped, "nvEncUnregisterResource: it is mapped");
  found->handle.is_alive = false;
  free(found->picture.bytes);
  nvenc_double_count_reader(found->address, -1);
  session->resources--;
  return leave(session, failure_of(session, "nvEncUnregisterResource"));
}

static NVENCSTATUS map_resource(void *encoder, NV_ENC_MAP_INPUT_RESOURCE *wanted) {
  ENTER("nvEncMapInputResource", INITIALIZED);
  check_map(wanted);
  resource *found = find_handle(call, HANDLE_RESOURCE, session, wanted->registeredResource);
  DEMAND(!found->is_mapped, "%s: it is mapped already", call);
  found->is_mapped = true;
  mapping *made = new_handle(HANDLE_MAPPING, sizeof *made, session);
  made->resource = found;
  session->mappings++;
  wanted->mappedResource = made;
  wanted->mappedBufferFmt = NV_ENC_BUFFER_FORMAT_NV12;
  return leave(session, NV_ENC_SUCCESS);
}

static NVENCSTATUS unmap_resource(void *encoder, NV_ENC_INPUT_PTR given) {
  session *session = enter("nvEncUnmapInputResource", encoder, INITIALIZED);
  mapping *found = find_handle("nvEncUnmapInputResource", HANDLE_MAPPING, session, given);
  DEMAND(session->fetched == session->submitted || session->has_failed,
         "nvEncUnmapInputResource: its access unit was not fetched yet");
  found->handle.is_alive = false;
  found->resource->is_mapped = false;
  session->mappings--;
  return leave(session, failure_of(session, "nvEncUnmapInputResource"));
}

const input_buffer *read_mapping(const char *call, const session *session, const NV_ENC_PIC_PARAMS *picture) {
  const mapping *mapping = find_handle(call, HANDLE_MAPPING, session, picture->inputBuffer);
  const resource *resource = mapping->resource;
  const input_buffer *out = &resource->picture;
  DEMAND(picture->bufferFmt == NV_ENC_BUFFER_FORMAT_NV12, "%s: the mapped memory is NV12", call);
  DEMAND(picture->inputWidth == out->width && picture->inputHeight == out->height, "%s: another size", call);
  DEMAND(picture->inputPitch == resource->pitch, "%s: the pitch is %u", call, resource->pitch);
  const uint8_t *row = nvenc_double_gpu_bytes(call, resource->address, nv12_bytes(resource));
  uint8_t *at = out->bytes, *u = at + (size_t)out->width * out->height;
  uint8_t *v = u + (size_t)out->width * out->height / 4;
  for (uint32_t i = 0; i < out->height; i++, row += resource->pitch, at += out->width) memcpy(at, row, out->width);
  for (uint32_t i = 0; i < out->height / 2; i++, row += resource->pitch) {
    for (uint32_t j = 0; j < out->width; j += 2) *u++ = row[j], *v++ = row[j + 1];
  }
  return out;
}

void list_resource_calls(NV_ENCODE_API_FUNCTION_LIST *list) {
  list->nvEncRegisterResource = register_resource;
  list->nvEncUnregisterResource = unregister_resource;
  list->nvEncMapInputResource = map_resource;
  list->nvEncUnmapInputResource = unmap_resource;
}
