#include "gl_state.h"

/* What would keep our draws from covering their pixels as they are; the last ones are OpenGL's alone. */
static const unsigned capabilities[GL_STATE_CAPABILITIES] = {
    GL_BLEND,        GL_CULL_FACE,          GL_DEPTH_TEST,     GL_SCISSOR_TEST,
    GL_STENCIL_TEST, GL_RASTERIZER_DISCARD, GL_COLOR_LOGIC_OP, GL_FRAMEBUFFER_SRGB,
};
#define CAPABILITIES_ES 6

static const struct packing {
  unsigned name;
  int value; /* of a new context */
} packings[GL_STATE_PACKINGS] = {
    {GL_PACK_ALIGNMENT, 4}, {GL_PACK_ROW_LENGTH, 0}, {GL_PACK_SKIP_ROWS, 0}, {GL_PACK_SKIP_PIXELS, 0}};

static int capabilities_count(const gl *gl) { return gl->is_es ? CAPABILITIES_ES : GL_STATE_CAPABILITIES; }

void gl_state_take(const gl *gl, gl_state *kept) {
  *kept = (gl_state){.gl = gl};
  for (int more = 0; more < 8 && gl->GetError() != GL_NO_ERROR; more++) continue;
  gl->GetIntegerv(GL_DRAW_FRAMEBUFFER_BINDING, &kept->draw_framebuffer);
  gl->GetIntegerv(GL_READ_FRAMEBUFFER_BINDING, &kept->read_framebuffer);
  gl->GetIntegerv(GL_VIEWPORT, kept->viewport);
  gl->GetIntegerv(GL_CURRENT_PROGRAM, &kept->program);
  gl->GetIntegerv(GL_VERTEX_ARRAY_BINDING, &kept->vertex_array);
  gl->GetIntegerv(GL_PIXEL_PACK_BUFFER_BINDING, &kept->pack_buffer);
  gl->GetIntegerv(GL_PIXEL_UNPACK_BUFFER_BINDING, &kept->unpack_buffer);
  gl->GetIntegerv(GL_ACTIVE_TEXTURE, &kept->active_texture);
  gl->ActiveTexture(GL_TEXTURE0);
  gl->GetIntegerv(GL_TEXTURE_BINDING_2D, &kept->texture);
  gl->GetIntegerv(GL_SAMPLER_BINDING, &kept->sampler);
  gl->GetBooleanv(GL_COLOR_WRITEMASK, kept->colour_mask);
  for (int i = 0; i < capabilities_count(gl); i++) {
    kept->is_enabled[i] = gl->IsEnabled(capabilities[i]);
    gl->Disable(capabilities[i]);
  }
  for (int i = 0; i < GL_STATE_PACKINGS; i++) {
    gl->GetIntegerv(packings[i].name, &kept->packings[i]);
    gl->PixelStorei(packings[i].name, packings[i].value);
  }
  if (gl->PolygonMode != NULL) {
    gl->GetIntegerv(GL_POLYGON_MODE, kept->polygon_mode);
    gl->PolygonMode(GL_FRONT_AND_BACK, GL_FILL);
  }
  gl->BindBuffer(GL_PIXEL_PACK_BUFFER, 0);
  gl->BindBuffer(GL_PIXEL_UNPACK_BUFFER, 0);
  gl->ColorMask(1, 1, 1, 1);
}

void gl_state_give_back(const gl_state *kept) {
  const gl *gl = kept->gl;
  gl->BindFramebuffer(GL_DRAW_FRAMEBUFFER, (unsigned)kept->draw_framebuffer);
  gl->BindFramebuffer(GL_READ_FRAMEBUFFER, (unsigned)kept->read_framebuffer);
  gl->Viewport(kept->viewport[0], kept->viewport[1], kept->viewport[2], kept->viewport[3]);
  gl->UseProgram((unsigned)kept->program);
  gl->BindVertexArray((unsigned)kept->vertex_array);
  gl->BindBuffer(GL_PIXEL_PACK_BUFFER, (unsigned)kept->pack_buffer);
  gl->BindBuffer(GL_PIXEL_UNPACK_BUFFER, (unsigned)kept->unpack_buffer);
  gl->BindTexture(GL_TEXTURE_2D, (unsigned)kept->texture);
  gl->BindSampler(0, (unsigned)kept->sampler);
  gl->ActiveTexture((unsigned)kept->active_texture);
  gl->ColorMask(kept->colour_mask[0], kept->colour_mask[1], kept->colour_mask[2], kept->colour_mask[3]);
  for (int i = 0; i < capabilities_count(gl); i++) {
    if (kept->is_enabled[i]) gl->Enable(capabilities[i]);
  }
  for (int i = 0; i < GL_STATE_PACKINGS; i++) gl->PixelStorei(packings[i].name, kept->packings[i]);
  if (gl->PolygonMode != NULL) gl->PolygonMode(GL_FRONT_AND_BACK, (unsigned)kept->polygon_mode[0]);
}
