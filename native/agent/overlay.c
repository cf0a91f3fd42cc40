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
#define BAR_ROW(height) ((height) / 10)

#define GLYPH_COLUMNS 5
#define GLYPH_ROWS 7
#define CELL_COLUMNS (GLYPH_COLUMNS + 1)
#define TEXT_CHARS_MAX 40
/* A bitmap is a row of columns of bits, the lowest on top. */
#define COLUMNS_MAX (TEXT_CHARS_MAX * CELL_COLUMNS)

struct overlay {
  const gl *gl;
  uint32_t width, height;
  unsigned program, vertex_array;
  int place_box, place_columns;
};

static const char fragment_shader[] =
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
  int result = gl_program(gl, gl_cover_vertex_shader, fragment_shader, &self->program);
  if (result < 0) {
    free(self);
    return result;
  }
  self->place_box = gl->GetUniformLocation(self->program, "box");
  self->place_columns = gl->GetUniformLocation(self->program, "columns");
  gl->GenVertexArrays(1, &self->vertex_array);
  *made = self;
  return 0;
}

static void draw_bitmap(const overlay *overlay, const uint32_t *columns, int columns_count, int rows_count,
                        const int box[4]) {
  const gl *gl = overlay->gl;
  gl->Viewport(box[0], box[1], columns_count * box[2], rows_count * box[3]);
  gl->Uniform4f(overlay->place_box, (float)box[0], (float)box[1], 1 / (float)box[2], 1 / (float)box[3]);
  gl->Uniform4uiv(overlay->place_columns, (columns_count + 3) / 4, columns);
  gl->DrawArrays(GL_TRIANGLES, 0, 3);
}

static void draw_bar_code(const overlay *overlay, uint64_t frame) {
  uint32_t columns[BAR_BITS];
  int height = (int)overlay->height;
  /* A bit, and under it its complement. */
  for (int bit = 0; bit < BAR_BITS; bit++) columns[bit] = frame >> bit & 1 ? 1 : 2;
  draw_bitmap(overlay, columns, BAR_BITS, 2,
              (int[]){0, BAR_TOP(height), (int)overlay->width / BAR_BITS, BAR_ROW(height)});
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
  int columns_count = chars * CELL_COLUMNS + 1, rows_count = GLYPH_ROWS + 2;
  int side = (int)overlay->width / (TEXT_CHARS_MAX * CELL_COLUMNS);
  if (side < 1) side = 1;
  draw_bitmap(overlay, columns, columns_count < COLUMNS_MAX ? columns_count : COLUMNS_MAX, rows_count,
              (int[]){2 * side, (int)overlay->height - (rows_count + 2) * side, side, side});
}

void overlay_draw(overlay *overlay, uint64_t frame, uint64_t t_real_ns) {
  const gl *gl = overlay->gl;
  char text[64];
  time_t seconds = (time_t)(t_real_ns / 1000000000u);
  struct tm utc;
  gmtime_r(&seconds, &utc);
  size_t length = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
  snprintf(text + length, sizeof text - length, ".%03uZ #%" PRIu64, (unsigned)(t_real_ns / 1000000 % 1000), frame);
  gl->Disable(GL_DEPTH_TEST);
  gl->Disable(GL_BLEND);
  gl->UseProgram(overlay->program);
  gl->BindVertexArray(overlay->vertex_array);
  draw_bar_code(overlay, frame);
  draw_text(overlay, text);
}

void overlay_close(overlay *overlay) {
  if (overlay == NULL) return;
  overlay->gl->DeleteVertexArrays(1, &overlay->vertex_array);
  overlay->gl->DeleteProgram(overlay->program);
  free(overlay);
}
