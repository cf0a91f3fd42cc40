/**
 * The shader that turns a payload into a picture. The payload lies in one texture just as it came, four bytes a texel;
 * the shader gathers the bytes of its pixel, whatever the format, the stride and the parity of the size.
 */

export const VERTEX_SHADER = `#version 300 es
in vec2 position;
void main() {
  gl_Position = vec4(position, 0, 1);
}`;

/** `u_format` of a picture that a decoder has made RGBA already. */
export const FORMAT_DECODED = 0;

/** Other format numbers are the ring's (proto/wire.ts, PixelFormat); the matrix is that of pixels.ts. */
export const FRAGMENT_SHADER = `#version 300 es
precision highp float;
precision highp int;
uniform sampler2D u_payload;
uniform int u_payloadWidth; // texels
uniform sampler2D u_decoded;
uniform int u_format;
uniform int u_stride;       // bytes per row of plane 0
uniform int u_chromaStride; // bytes per row of the chroma planes
uniform ivec2 u_size;       // pixels
uniform sampler2D u_heat;
uniform ivec2 u_heatSize;   // cells
uniform sampler2D u_heatColours;
uniform float u_heatOpacity;
out vec4 colour;

float byteAt(int offset) {
  int texel = offset >> 2;
  vec4 word = texelFetch(u_payload, ivec2(texel % u_payloadWidth, texel / u_payloadWidth), 0);
  int lane = offset & 3;
  return lane == 0 ? word.r : lane == 1 ? word.g : lane == 2 ? word.b : word.a;
}

vec3 fromYuv(float y, float u, float v) {
  float luma = 1.164384 * (y - 16.0 / 255.0);
  float cb = u - 128.0 / 255.0;
  float cr = v - 128.0 / 255.0;
  return vec3(
    luma + 1.792741 * cr,
    luma - 0.213249 * cb - 0.532909 * cr,
    luma + 2.112402 * cb
  );
}

vec3 pictureAt(ivec2 at) {
  if (u_format == ${FORMAT_DECODED}) return texelFetch(u_decoded, at, 0).rgb;
  int row = at.y * u_stride;
  if (u_format == 1) {
    int o = row + at.x * 3;
    return vec3(byteAt(o), byteAt(o + 1), byteAt(o + 2));
  }
  if (u_format == 2 || u_format == 3) {
    int o = row + at.x * 4;
    vec3 rgb = vec3(byteAt(o), byteAt(o + 1), byteAt(o + 2));
    return u_format == 2 ? rgb : rgb.bgr;
  }
  float y = byteAt(row + at.x);
  if (u_format == 4) return vec3(y);
  int chroma = u_stride * u_size.y + (at.y >> 1) * u_chromaStride;
  if (u_format == 5) {
    int o = chroma + (at.x >> 1) * 2;
    return fromYuv(y, byteAt(o), byteAt(o + 1));
  }
  int o = chroma + (at.x >> 1);
  return fromYuv(y, byteAt(o), byteAt(o + u_chromaStride * ((u_size.y + 1) >> 1)));
}

void main() {
  // gl_FragCoord counts rows from the bottom.
  ivec2 at = ivec2(int(gl_FragCoord.x), u_size.y - 1 - int(gl_FragCoord.y));
  vec3 rgb = pictureAt(at);
  if (u_heatOpacity > 0.0) {
    ivec2 cell = (2 * at + 1) * u_heatSize / (2 * u_size);
    int heat = int(texelFetch(u_heat, cell, 0).r * 255.0 + 0.5);
    vec4 heatColour = texelFetch(u_heatColours, ivec2(heat, 0), 0);
    rgb = mix(rgb, heatColour.rgb, u_heatOpacity * heatColour.a);
  }
  colour = vec4(rgb, 1);
}`;
