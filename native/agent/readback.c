#include "readback.h"

#include <errno.h>
#include <stdlib.h>

#include "convert_rows.h"
#include "error.h"

#define ROW_ALIGNMENT 64u /* what the encoders' vector code likes best; chroma's half is still whole texels */
#define WAIT_NS_MAX 2000000000u

/* What is in flight, and what was taken last. */
#define SLOTS_COUNT (READBACK_IN_FLIGHT_MAX + 1)

/* A texture of the planes, `stride` bytes a row: luma, and under it U in the left half and V in the right one. */
struct readback {
  const gl *gl;
  uint32_t width, height;           /* of the texture */
  uint32_t even_width, even_height; /* of the picture */
  uint32_t stride;
  unsigned source_framebuffer;                                         /* by CPU: what the texture is read through */
  unsigned program, planes, planes_framebuffer, sampler, vertex_array; /* by shader */
  int place_source, place_weights, place_cell, place_top;
  unsigned buffers[SLOTS_COUNT];
  gl_sync fences[SLOTS_COUNT];
  uint8_t *rgba;                   /* by CPU */
  uint8_t *converted[SLOTS_COUNT]; /* by CPU */
  uint32_t begun, taken;           /* ever; the pictures between them are in flight */
  bool is_mapped;                  /* by shader: the buffer of the picture taken last */
  bool by_shader;
};

/* ITU-R BT.709-6 with limited range, as convert_rows.c has it in fixed point. The texel at x holds the bytes 4x to 4x +
 * 3 of a row; a byte is the mean of a cell of pixels: one pixel for luma, two by two for chroma. */
static const char convert_fragment_shader[] =
    "uniform sampler2D source;\n"
    "uniform vec4 weights; /* of R, G, B, and what is added */\n"
    "uniform ivec4 cell;   /* its sides, the place of the plane's first texel */\n"
    "uniform ivec4 top;    /* 1 and 0, or -1 and height - 1: to count rows from below; the picture's last column, row "
    "*/\n"
    "out vec4 bytes;\n"
    "float value(int column, int row) {\n"
    "  vec3 sum = vec3(0.0);\n"
    "  for (int y = 0; y < cell.y; y++) {\n"
    "    for (int x = 0; x < cell.x; x++) {\n"
    "      ivec2 at = min(ivec2(column * cell.x + x, row * cell.y + y), top.zw);\n"
    "      vec2 place = (vec2(at.x, at.y * top.x + top.y) + 0.5) / vec2(top.zw + 1);\n"
    "      sum += clamp(textureLod(source, place, 0.0).rgb, 0.0, 1.0);\n"
    "    }\n"
    "  }\n"
    "  return dot(sum, weights.rgb) / float(cell.x * cell.y) + weights.a;\n"
    "}\n"
    "void main() {\n"
    "  ivec2 at = ivec2(gl_FragCoord.xy) - cell.zw;\n"
    "  bytes = vec4(value(4 * at.x, at.y), value(4 * at.x + 1, at.y), value(4 * at.x + 2, at.y),\n"
    "               value(4 * at.x + 3, at.y));\n"
    "}\n";

#define LUMA_SCALE (219.0f / 255.0f)
#define CHROMA_SCALE (224.0f / 255.0f)
/* (B - Y) / 1.8556 and (R - Y) / 1.5748, item 3.3. */
static const float plane_weights[3][4] = {
    {0.2126f * LUMA_SCALE, 0.7152f * LUMA_SCALE, 0.0722f * LUMA_SCALE, 16.0f / 255},
    {-0.2126f / 1.8556f * CHROMA_SCALE, -0.7152f / 1.8556f * CHROMA_SCALE, 0.5f * CHROMA_SCALE, 128.0f / 255},
    {0.5f * CHROMA_SCALE, -0.7152f / 1.5748f * CHROMA_SCALE, -0.0722f / 1.5748f * CHROMA_SCALE, 128.0f / 255},
};

static size_t planes_bytes(const readback *readback) {
  return (size_t)readback->stride * readback->even_height * 3 / 2;
}

static int open_shader(readback *made) {
  const gl *gl = made->gl;
  int result = gl_program(gl, gl_cover_vertex_shader, convert_fragment_shader, &made->program);
  if (result < 0) return result;
  made->place_source = gl->GetUniformLocation(made->program, "source");
  made->place_weights = gl->GetUniformLocation(made->program, "weights");
  made->place_cell = gl->GetUniformLocation(made->program, "cell");
  made->place_top = gl->GetUniformLocation(made->program, "top");
  gl->GenVertexArrays(1, &made->vertex_array);
  gl->GenSamplers(1, &made->sampler); /* or a texture that wants mipmaps and has none would read as black */
  gl->SamplerParameteri(made->sampler, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
  gl->SamplerParameteri(made->sampler, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
  /* What is shown of an sRGB texture is what is stored there; samplers obey this, texelFetch() does not. Where there is
   * no EXT_texture_sRGB_decode, it is an error that nobody needs. */
  gl->SamplerParameteri(made->sampler, GL_TEXTURE_SRGB_DECODE_EXT, GL_SKIP_DECODE_EXT);
  gl->GetError();
  gl->GenTextures(1, &made->planes);
  gl->BindTexture(GL_TEXTURE_2D, made->planes);
  gl->TexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, (int)made->stride / 4, (int)(made->even_height * 3 / 2), 0, GL_RGBA,
                 GL_UNSIGNED_BYTE, NULL);
  gl->GenFramebuffers(1, &made->planes_framebuffer);
  gl->BindFramebuffer(GL_FRAMEBUFFER, made->planes_framebuffer);
  gl->FramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, made->planes, 0);
  result = gl_check_framebuffer(gl, "a texture for the planes");
  if (result < 0) return result;
  gl->GenBuffers(SLOTS_COUNT, made->buffers);
  for (int i = 0; i < SLOTS_COUNT; i++) {
    gl->BindBuffer(GL_PIXEL_PACK_BUFFER, made->buffers[i]);
    gl->BufferData(GL_PIXEL_PACK_BUFFER, (intptr_t)planes_bytes(made), NULL, GL_STREAM_READ);
  }
  gl->BindBuffer(GL_PIXEL_PACK_BUFFER, 0);
  return gl_check(gl, "make what pictures are read with");
}

static int open_cpu(readback *made) {
  made->rgba = aligned_alloc(ROW_ALIGNMENT, ((size_t)made->width * made->height * 4 + 63) / 64 * 64);
  for (int i = 0; i < SLOTS_COUNT; i++) {
    made->converted[i] = aligned_alloc(ROW_ALIGNMENT, planes_bytes(made));
    if (made->rgba == NULL || made->converted[i] == NULL) {
      return error_set(ENOMEM, "cannot read pictures of %u x %u: no memory", made->width, made->height);
    }
  }
  made->gl->GenFramebuffers(1, &made->source_framebuffer);
  return gl_check(made->gl, "make what pictures are read with");
}

int readback_open(const gl *gl, uint32_t width, uint32_t height, bool by_shader, readback **made) {
  readback *self = calloc(1, sizeof *self);
  if (self == NULL) return error_set(ENOMEM, "cannot read pictures: no memory");
  *self = (readback){.gl = gl,
                     .width = width,
                     .height = height,
                     .even_width = (width + 1) & ~1u,
                     .even_height = (height + 1) & ~1u,
                     .stride = (width + ROW_ALIGNMENT - 1) / ROW_ALIGNMENT * ROW_ALIGNMENT,
                     .by_shader = by_shader};
  int result = by_shader ? open_shader(self) : open_cpu(self);
  if (result < 0) {
    readback_close(self);
    return result;
  }
  *made = self;
  return 0;
}

static void draw_plane(const readback *readback, int plane, int cell_side, const int place[4]) {
  const gl *gl = readback->gl;
  gl->Viewport(place[0], place[1], place[2], place[3]);
  gl->Uniform4fv(readback->place_weights, 1, plane_weights[plane]);
  gl->Uniform4i(readback->place_cell, cell_side, cell_side, place[0], place[1]);
  gl->DrawArrays(GL_TRIANGLES, 0, 3);
}

static void begin_by_shader(readback *readback, unsigned texture, bool bottom_up) {
  const gl *gl = readback->gl;
  int luma_width = (int)readback->stride / 4, chroma_width = luma_width / 2;
  int luma_height = (int)readback->even_height, chroma_height = luma_height / 2;
  uint32_t slot = readback->begun % SLOTS_COUNT;
  gl->BindFramebuffer(GL_FRAMEBUFFER, readback->planes_framebuffer);
  gl->UseProgram(readback->program);
  gl->BindVertexArray(readback->vertex_array);
  gl->ActiveTexture(GL_TEXTURE0);
  gl->BindTexture(GL_TEXTURE_2D, texture);
  gl->BindSampler(0, readback->sampler);
  gl->Uniform1i(readback->place_source, 0);
  gl->Uniform4i(readback->place_top, bottom_up ? -1 : 1, bottom_up ? (int)readback->height - 1 : 0,
                (int)readback->width - 1, (int)readback->height - 1);
  draw_plane(readback, 0, 1, (int[]){0, 0, luma_width, luma_height});
  draw_plane(readback, 1, 2, (int[]){0, luma_height, chroma_width, chroma_height});
  draw_plane(readback, 2, 2, (int[]){chroma_width, luma_height, chroma_width, chroma_height});
  gl->BindSampler(0, 0);
  gl->BindBuffer(GL_PIXEL_PACK_BUFFER, readback->buffers[slot]);
  gl->ReadPixels(0, 0, luma_width, luma_height + chroma_height, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
  gl->BindBuffer(GL_PIXEL_PACK_BUFFER, 0);
  readback->fences[slot] = gl->FenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0);
  gl->Flush();
}

static void convert(const readback *readback, bool bottom_up, uint8_t *converted) {
  uint64_t row_bytes = (uint64_t)readback->width * 4, stride = readback->stride;
  uint8_t *chroma = converted + stride * readback->even_height;
  uint32_t last = readback->height - 1;
  for (uint32_t row = 0; row <= last; row += 2) {
    uint32_t upper = row, lower = row < last ? row + 1 : row;
    const uint8_t *rows[2] = {readback->rgba + (bottom_up ? last - upper : upper) * row_bytes,
                              readback->rgba + (bottom_up ? last - lower : lower) * row_bytes};
    yuv_rows out = {.luma = {converted + row * stride, converted + (row + 1) * stride},
                    .u = chroma + row / 2 * stride,
                    .v = chroma + row / 2 * stride + stride / 2};
    convert_rgb32_rows(rows, readback->width, false, &out);
  }
}

static int begin_by_cpu(readback *readback, unsigned texture, bool bottom_up) {
  const gl *gl = readback->gl;
  gl->BindFramebuffer(GL_FRAMEBUFFER, readback->source_framebuffer);
  gl->FramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
  int result = gl_check_framebuffer(gl, "the texture");
  if (result < 0) return result;
  gl->ReadPixels(0, 0, (int)readback->width, (int)readback->height, GL_RGBA, GL_UNSIGNED_BYTE, readback->rgba);
  /* Or the texture would live on after it is deleted. */
  gl->FramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, 0, 0);
  convert(readback, bottom_up, readback->converted[readback->begun % SLOTS_COUNT]);
  return 0;
}

static void drop_fence(readback *readback, uint32_t slot) {
  if (readback->fences[slot] != NULL) readback->gl->DeleteSync(readback->fences[slot]);
  readback->fences[slot] = NULL;
}

int readback_begin(readback *readback, unsigned texture, bool bottom_up) {
  if (readback->begun - readback->taken == READBACK_IN_FLIGHT_MAX) {
    return error_set(EBUSY, "cannot begin another picture: %d are not taken yet", READBACK_IN_FLIGHT_MAX);
  }
  int result = 0;
  if (readback->by_shader) {
    begin_by_shader(readback, texture, bottom_up);
  } else {
    result = begin_by_cpu(readback, texture, bottom_up);
  }
  if (result == 0) result = gl_check(readback->gl, "draw and read a picture");
  if (result < 0) {
    drop_fence(readback, readback->begun % SLOTS_COUNT);
    return result;
  }
  readback->begun++;
  return 0;
}

static void unmap(readback *readback) {
  if (!readback->is_mapped) return;
  const gl *gl = readback->gl;
  gl->BindBuffer(GL_PIXEL_PACK_BUFFER, readback->buffers[(readback->taken - 1) % SLOTS_COUNT]);
  gl->UnmapBuffer(GL_PIXEL_PACK_BUFFER);
  gl->BindBuffer(GL_PIXEL_PACK_BUFFER, 0);
  readback->is_mapped = false;
}

/* What fails may be tried again: it leaves the fence, and nothing mapped. */
static int map(readback *readback, uint32_t slot, const uint8_t **planes) {
  const gl *gl = readback->gl;
  unsigned state = gl->ClientWaitSync(readback->fences[slot], GL_SYNC_FLUSH_COMMANDS_BIT, WAIT_NS_MAX);
  if (state == GL_TIMEOUT_EXPIRED) {
    return error_set(ENODEV, "cannot read a picture: %s has not drawn it within %u s", gl->renderer,
                     WAIT_NS_MAX / 1000000000u);
  }
  gl->BindBuffer(GL_PIXEL_PACK_BUFFER, readback->buffers[slot]);
  *planes = gl->MapBufferRange(GL_PIXEL_PACK_BUFFER, 0, (intptr_t)planes_bytes(readback), GL_MAP_READ_BIT);
  int result = gl_check(gl, "read a picture");
  if (result == 0 && *planes == NULL) result = error_set(EIO, "cannot read a picture: %s maps no buffer", gl->renderer);
  if (result < 0 && *planes != NULL) gl->UnmapBuffer(GL_PIXEL_PACK_BUFFER);
  if (result == 0) drop_fence(readback, slot);
  gl->BindBuffer(GL_PIXEL_PACK_BUFFER, 0);
  return result;
}

int readback_take(readback *readback, encoder_picture *picture) {
  if (readback->begun == readback->taken) return error_set(ENODATA, "cannot take a picture: none is begun");
  uint32_t slot = readback->taken % SLOTS_COUNT;
  const uint8_t *planes = readback->converted[slot];
  unmap(readback);
  if (readback->by_shader) {
    int result = map(readback, slot, &planes);
    if (result < 0) return result;
    readback->is_mapped = true;
  }
  readback->taken++;
  const uint8_t *chroma = planes + (size_t)readback->stride * readback->even_height;
  int stride = (int)readback->stride;
  *picture = (encoder_picture){.planes = {planes, chroma, chroma + stride / 2},
                               .strides = {stride, stride, stride},
                               .width = readback->even_width,
                               .height = readback->even_height};
  return 0;
}

void readback_abandon(readback *readback) {
  if (readback == NULL) return;
  for (int i = 0; i < SLOTS_COUNT; i++) free(readback->converted[i]);
  free(readback->rgba);
  free(readback);
}

void readback_close(readback *readback) {
  if (readback == NULL) return;
  const gl *gl = readback->gl;
  unmap(readback);
  for (uint32_t slot = 0; slot < SLOTS_COUNT; slot++) drop_fence(readback, slot);
  /* Names that are 0 are passed over. */
  gl->DeleteBuffers(SLOTS_COUNT, readback->buffers);
  gl->DeleteFramebuffers(1, &readback->planes_framebuffer);
  gl->DeleteFramebuffers(1, &readback->source_framebuffer);
  gl->DeleteTextures(1, &readback->planes);
  gl->DeleteSamplers(1, &readback->sampler);
  gl->DeleteVertexArrays(1, &readback->vertex_array);
  if (readback->program != 0) gl->DeleteProgram(readback->program);
  readback_abandon(readback);
}
