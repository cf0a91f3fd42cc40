#include "gl_state.h"

/* What would keep our draws from covering their pixels as they are; the last ones are OpenGL's alone. */
static const unsigned capabilities[GL_STATE_CAPABILITIES] = {
    GL_BLEND,
    GL_CULL_FACE,
    GL_DEPTH_TEST,
    GL_SCISSOR_TEST,
    GL_STENCIL_TEST,
    GL_RASTERIZER_DISCARD,
    GL_COLOR_LOGIC_OP,
    GL_FRAMEBUFFER_SRGB,
    GL_CLIP_DISTANCE0,
    GL_CLIP_DISTANCE0 + 1,
    GL_CLIP_DISTANCE0 + 2,
    GL_CLIP_DISTANCE0 + 3,
    GL_CLIP_DISTANCE0 + 4,
    GL_CLIP_DISTANCE0 + 5,
    GL_CLIP_DISTANCE0 + 6,
    GL_CLIP_DISTANCE0 + 7,
};
#define CAPABILITIES_ES 6

static const struct packing {
  unsigned name;
  int value; /* of a new context */
} packings[GL_STATE_PACKINGS] = {
    {GL_PACK_ALIGNMENT, 4}, {GL_PACK_ROW_LENGTH, 0}, {GL_PACK_SKIP_ROWS, 0}, {GL_PACK_SKIP_PIXELS, 0}};

static int capabilities_count(const gl *gl) { return gl->is_es ? CAPABILITIES_ES : GL_STATE_CAPABILITIES; }

/* Whether this is one for each draw buffer, or each viewport. We draw into the first of both, and leave the others. */
static bool is_indexed(const gl *gl, unsigned capability) {
  if (capability == GL_BLEND) return gl->Disablei != NULL;
  return capability == GL_SCISSOR_TEST && gl->ViewportArrayv != NULL;
}

static void enable(const gl *gl, unsigned capability) {
  if (is_indexed(gl, capability)) {
    gl->Enablei(capability, 0);
  } else {
    gl->Enable(capability);
  }
}

static void disable(const gl *gl, unsigned capability) {
  if (is_indexed(gl, capability)) {
    gl->Disablei(capability, 0);
  } else {
    gl->Disable(capability);
  }
}

static void set_colour_mask(const gl *gl, const uint8_t mask[4]) {
  if (gl->ColorMaski != NULL) {
    gl->ColorMaski(0, mask[0], mask[1], mask[2], mask[3]);
  } else {
    gl->ColorMask(mask[0], mask[1], mask[2], mask[3]);
  }
}

/* glViewport(), by which we set ours, sets all of them. */
static void keep_viewports(const gl *gl, gl_state *kept) {
  gl->GetIntegerv(GL_VIEWPORT, kept->viewport);
  if (gl->ViewportArrayv == NULL) return;
  for (unsigned i = 0; i < GL_STATE_VIEWPORTS; i++) gl->GetFloati_v(GL_VIEWPORT, i, kept->viewports[i]);
}

static void give_back_viewports(const gl_state *kept) {
  if (kept->gl->ViewportArrayv != NULL) {
    kept->gl->ViewportArrayv(0, GL_STATE_VIEWPORTS, kept->viewports[0]);
  } else {
    kept->gl->Viewport(kept->viewport[0], kept->viewport[1], kept->viewport[2], kept->viewport[3]);
  }
}

/* Of a core context front and back are one, and drivers may tell it once. */
static void give_back_polygon_mode(const gl_state *kept) {
  const unsigned front = (unsigned)kept->polygon_mode[0], back = (unsigned)kept->polygon_mode[1];
  if (back == 0 || front == back) {
    kept->gl->PolygonMode(GL_FRONT_AND_BACK, front);
  } else {
    kept->gl->PolygonMode(GL_FRONT, front);
    kept->gl->PolygonMode(GL_BACK, back);
  }
}

void gl_state_take(const gl *gl, gl_state *kept) {
  *kept = (gl_state){.gl = gl};
  for (int more = 0; more < 8 && gl->GetError() != GL_NO_ERROR; more++) continue;
  gl->GetIntegerv(GL_DRAW_FRAMEBUFFER_BINDING, &kept->draw_framebuffer);
  gl->GetIntegerv(GL_READ_FRAMEBUFFER_BINDING, &kept->read_framebuffer);
  keep_viewports(gl, kept);
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
    disable(gl, capabilities[i]);
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
  set_colour_mask(gl, (const uint8_t[]){1, 1, 1, 1});
}

void gl_state_give_back(const gl_state *kept) {
  const gl *gl = kept->gl;
  gl->BindFramebuffer(GL_DRAW_FRAMEBUFFER, (unsigned)kept->draw_framebuffer);
  gl->BindFramebuffer(GL_READ_FRAMEBUFFER, (unsigned)kept->read_framebuffer);
  give_back_viewports(kept);
  gl->UseProgram((unsigned)kept->program);
  gl->BindVertexArray((unsigned)kept->vertex_array);
  gl->BindBuffer(GL_PIXEL_PACK_BUFFER, (unsigned)kept->pack_buffer);
  gl->BindBuffer(GL_PIXEL_UNPACK_BUFFER, (unsigned)kept->unpack_buffer);
  gl->BindTexture(GL_TEXTURE_2D, (unsigned)kept->texture);
  gl->BindSampler(0, (unsigned)kept->sampler);
  gl->ActiveTexture((unsigned)kept->active_texture);
  set_colour_mask(gl, kept->colour_mask);
  for (int i = 0; i < capabilities_count(gl); i++) {
    if (kept->is_enabled[i]) enable(gl, capabilities[i]);
  }
  for (int i = 0; i < GL_STATE_PACKINGS; i++) gl->PixelStorei(packings[i].name, kept->packings[i]);
  if (gl->PolygonMode != NULL) give_back_polygon_mode(kept);
}
