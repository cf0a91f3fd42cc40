#include "overlay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"

/* The bar code's shape, which tests/harness/video_card.ts reads. */
#define BAR_BITS 20
#define BAR_TOP(height) ((height) / 20)
#define BAR_ROW(height) ((height) / 20)

#define GLYPH_COLUMNS 5
#define GLYPH_ROWS 7
#define CELL_COLUMNS (GLYPH_COLUMNS + 1)
#define TEXT_CHARS_MAX 40
/* A bitmap is a row of columns of bits, the lowest on top. */
#define COLUMNS_MAX (TEXT_CHARS_MAX * CELL_COLUMNS) /* in the shader: four for each element */

struct overlay {
  const gl *gl;
  uint32_t width, height;
  unsigned bar_program, text_program, vertex_array;
  int place_number, place_box, place_columns;
};

/* Two triangles for each bit, in a row, and under it for each complement. */
static const char bar_vertex_shader[] =
    "uniform int number;\n"
    "flat out float shade;\n"
    "void main() {\n"
    "  int cell = gl_VertexID / 6, corner = gl_VertexID - 6 * cell, row = cell / 20, bit = cell - 20 * row;\n"
    "  bool is_right = corner == 1 || corner >= 4, is_low = corner == 2 || corner == 3 || corner == 5;\n"
    "  vec2 at = vec2(float(bit) + (is_right ? 1.0 : 0.0), float(row) + (is_low ? 1.0 : 0.0));\n"
    "  gl_Position = vec4(at / vec2(10.0, 1.0) - 1.0, 0.0, 1.0);\n"
    "  shade = float(((number >> bit) & 1) ^ row);\n"
    "}\n";

static const char bar_fragment_shader[] =
    "flat in float shade;\n"
    "out vec4 colour;\n"
    "void main() { colour = vec4(vec3(shade), 1.0); }\n";

static const char text_fragment_shader[] =
    "uniform vec4 box; /* left, top, and a pixel's share of a bit's sides: llvmpipe divides slowly */\n"
    "uniform uvec4 columns[60];\n"
    "out vec4 colour;\n"
    "void main() {\n"
    "  ivec2 at = ivec2((gl_FragCoord.xy - box.xy) * box.zw);\n"
    "  uint bits = columns[at.x >> 2][at.x & 3];\n"
    "  colour = vec4(vec3((bits >> uint(at.y)) & 1u), 1.0);\n"
    "}\n";

/* Columns of seven bits, the lowest on top: what a clock and a counter need. */
typedef struct glyph {
  char character;
  uint8_t columns[GLYPH_COLUMNS];
} glyph;

static const glyph glyphs[] = {
    {'0', {0x3e, 0x51, 0x49, 0x45, 0x3e}}, {'1', {0x00, 0x42, 0x7f, 0x40, 0x00}}, {'2', {0x42, 0x61, 0x51, 0x49, 0x46}},
    {'3', {0x21, 0x41, 0x45, 0x4b, 0x31}}, {'4', {0x18, 0x14, 0x12, 0x7f, 0x10}}, {'5', {0x27, 0x45, 0x45, 0x45, 0x39}},
    {'6', {0x3c, 0x4a, 0x49, 0x49, 0x30}}, {'7', {0x01, 0x71, 0x09, 0x05, 0x03}}, {'8', {0x36, 0x49, 0x49, 0x49, 0x36}},
    {'9', {0x06, 0x49, 0x49, 0x29, 0x1e}}, {':', {0x00, 0x36, 0x36, 0x00, 0x00}}, {'.', {0x00, 0x60, 0x60, 0x00, 0x00}},
    {'-', {0x08, 0x08, 0x08, 0x08, 0x08}}, {'#', {0x14, 0x7f, 0x14, 0x7f, 0x14}}, {'Z', {0x61, 0x51, 0x49, 0x45, 0x43}},
};

static const uint8_t *glyph_of(char character) {
  static const uint8_t blank[GLYPH_COLUMNS];
  for (size_t i = 0; i < sizeof glyphs / sizeof glyphs[0]; i++) {
    if (glyphs[i].character == character) return glyphs[i].columns;
  }
  return blank;
}

int overlay_open(const gl *gl, uint32_t width, uint32_t height, overlay **made) {
  overlay *self = calloc(1, sizeof *self);
  if (self == NULL) return error_set(ENOMEM, "cannot make an overlay: no memory");
  *self = (overlay){.gl = gl, .width = width, .height = height};
  int result = gl_program(gl, bar_vertex_shader, bar_fragment_shader, &self->bar_program);
  if (result == 0) result = gl_program(gl, gl_cover_vertex_shader, text_fragment_shader, &self->text_program);
  if (result < 0) {
    overlay_close(self);
    return result;
  }
  self->place_number = gl->GetUniformLocation(self->bar_program, "number");
  self->place_box = gl->GetUniformLocation(self->text_program, "box");
  self->place_columns = gl->GetUniformLocation(self->text_program, "columns");
  gl->GenVertexArrays(1, &self->vertex_array);
  *made = self;
  return 0;
}

static void draw_bar_code(const overlay *overlay, uint64_t frame) {
  const gl *gl = overlay->gl;
  int height = (int)overlay->height;
  gl->Viewport(0, BAR_TOP(height), (int)overlay->width / BAR_BITS * BAR_BITS, 2 * BAR_ROW(height));
  gl->UseProgram(overlay->bar_program);
  gl->Uniform1i(overlay->place_number, (int)(frame & ((1u << BAR_BITS) - 1)));
  gl->DrawArrays(GL_TRIANGLES, 0, 6 * 2 * BAR_BITS);
}

static void draw_text(const overlay *overlay, const char *text) {
  uint32_t columns[COLUMNS_MAX] = {0};
  int chars = (int)strlen(text);
  if (chars > TEXT_CHARS_MAX) chars = TEXT_CHARS_MAX;
  for (int i = 0; i < chars; i++) {
    const uint8_t *glyph = glyph_of(text[i]);
    /* A row and a column of margin, so that the letters stand on black. */
    for (int k = 0; k < GLYPH_COLUMNS; k++) columns[i * CELL_COLUMNS + 1 + k] = (uint32_t)glyph[k] << 1;
  }
  /* Over the bar code, where there is room. */
  const gl *gl = overlay->gl;
  int columns_count = chars * CELL_COLUMNS, rows_count = GLYPH_ROWS + 2, height = (int)overlay->height;
  int side = BAR_TOP(height) / rows_count;
  int top = side > 0 ? (BAR_TOP(height) - rows_count * side) / 2 : height - rows_count;
  if (side == 0) side = 1;
  gl->Viewport(side, top, columns_count * side, rows_count * side);
  gl->UseProgram(overlay->text_program);
  gl->Uniform4f(overlay->place_box, (float)side, (float)top, 1 / (float)side, 1 / (float)side);
  gl->Uniform4uiv(overlay->place_columns, (columns_count + 3) / 4, columns);
  gl->DrawArrays(GL_TRIANGLES, 0, 3);
}

static void clear_panel(const overlay *overlay) {
  const gl *gl = overlay->gl;
  gl->Enable(GL_SCISSOR_TEST);
  gl->Scissor(0, 0, (int)overlay->width, (int)overlay_rows(overlay->height));
  gl->ClearColor(0, 0, 0, 1);
  gl->Clear(GL_COLOR_BUFFER_BIT);
  gl->Disable(GL_SCISSOR_TEST);
}

uint32_t overlay_rows(uint32_t height) { return BAR_TOP(height) + 2 * BAR_ROW(height); }

void overlay_draw(overlay *overlay, uint64_t frame, uint64_t t_real_ns) {
  const gl *gl = overlay->gl;
  char text[64];
  time_t seconds = (time_t)(t_real_ns / 1000000000u);
  struct tm utc;
  gmtime_r(&seconds, &utc);
  size_t length = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
  snprintf(text + length, sizeof text - length, ".%03uZ #%" PRIu64, (unsigned)(t_real_ns / 1000000 % 1000), frame);
  clear_panel(overlay);
  gl->BindVertexArray(overlay->vertex_array);
  draw_bar_code(overlay, frame);
  draw_text(overlay, text);
}

void overlay_close(overlay *overlay) {
  if (overlay == NULL) return;
  overlay->gl->DeleteVertexArrays(1, &overlay->vertex_array);
  if (overlay->bar_program != 0) overlay->gl->DeleteProgram(overlay->bar_program);
  if (overlay->text_program != 0) overlay->gl->DeleteProgram(overlay->text_program);
  free(overlay);
}
