#include "canvas.h"

#include <math.h>

typedef struct box {
  int left, top, right, bottom; /* right and bottom are just outside */
} box;

static int bound(float value, int limit) { return value < 0 ? 0 : value > (float)limit ? limit : (int)value; }

static box box_around(const canvas *canvas, float left, float top, float right, float bottom) {
  return (box){bound(left - 1, canvas->width), bound(top - 1, canvas->height), bound(right + 2, canvas->width),
               bound(bottom + 2, canvas->height)};
}

static float clamp_unit(float value) { return value < 0 ? 0 : value > 1 ? 1 : value; }

colour colour_from_hex(uint32_t rgb, float opacity) {
  return (colour){(float)(rgb >> 16 & 255) / 255, (float)(rgb >> 8 & 255) / 255, (float)(rgb & 255) / 255, opacity};
}

colour colour_mix(colour from, colour to, float share) {
  share = clamp_unit(share);
  return (colour){from.r + (to.r - from.r) * share, from.g + (to.g - from.g) * share, from.b + (to.b - from.b) * share,
                  from.a + (to.a - from.a) * share};
}

static void blend(uint8_t *pixel, colour colour, float cover) {
  const float share = colour.a * cover;
  pixel[0] = (uint8_t)((float)pixel[0] + (colour.r * 255 - (float)pixel[0]) * share + 0.5f);
  pixel[1] = (uint8_t)((float)pixel[1] + (colour.g * 255 - (float)pixel[1]) * share + 0.5f);
  pixel[2] = (uint8_t)((float)pixel[2] + (colour.b * 255 - (float)pixel[2]) * share + 0.5f);
}

static uint8_t *pixel_at(canvas *canvas, int x, int y) { return canvas->pixels + 3 * ((long)y * canvas->width + x); }

void canvas_pixel(canvas *canvas, int x, int y, colour colour) { blend(pixel_at(canvas, x, y), colour, 1); }

void canvas_disc(canvas *canvas, point centre, float radius, colour colour) {
  canvas_line(canvas, centre, centre, radius, colour);
}

void canvas_line(canvas *canvas, point from, point to, float radius, colour colour) {
  const box area = box_around(canvas, fminf(from.x, to.x) - radius, fminf(from.y, to.y) - radius,
                              fmaxf(from.x, to.x) + radius, fmaxf(from.y, to.y) + radius);
  const float dx = to.x - from.x, dy = to.y - from.y;
  const float length_squared = fmaxf(dx * dx + dy * dy, 1e-6f);
  for (int y = area.top; y < area.bottom; y++) {
    for (int x = area.left; x < area.right; x++) {
      const float px = (float)x + 0.5f - from.x, py = (float)y + 0.5f - from.y;
      const float along = clamp_unit((px * dx + py * dy) / length_squared);
      const float off_x = px - dx * along, off_y = py - dy * along;
      const float cover = clamp_unit(radius + 0.5f - sqrtf(off_x * off_x + off_y * off_y));
      if (cover > 0) {
        blend(pixel_at(canvas, x, y), colour, cover);
      }
    }
  }
}

/* The line through a polygon's edge: x * normal_x + y * normal_y is over `offset` outside the polygon. */
typedef struct edge {
  float normal_x, normal_y, offset;
} edge;

void canvas_polygon(canvas *canvas, const point *corners, int corners_count, float margin, colour colour) {
  edge edges[CANVAS_CORNERS_MAX];
  float left = INFINITY, top = INFINITY, right = -INFINITY, bottom = -INFINITY;
  for (int index = 0; index < corners_count; index++) {
    const point from = corners[index], to = corners[(index + 1) % corners_count];
    const float edge_x = to.x - from.x, edge_y = to.y - from.y;
    const float length = fmaxf(sqrtf(edge_x * edge_x + edge_y * edge_y), 1e-6f);
    edges[index] = (edge){edge_y / length, -edge_x / length, 0};
    edges[index].offset = from.x * edges[index].normal_x + from.y * edges[index].normal_y + margin;
    left = fminf(left, from.x);
    right = fmaxf(right, from.x);
    top = fminf(top, from.y);
    bottom = fmaxf(bottom, from.y);
  }
  const box area = box_around(canvas, left - margin, top - margin, right + margin, bottom + margin);
  for (int y = area.top; y < area.bottom; y++) {
    for (int x = area.left; x < area.right; x++) {
      float distance = -INFINITY;
      for (int index = 0; index < corners_count; index++) {
        const float here = ((float)x + 0.5f) * edges[index].normal_x + ((float)y + 0.5f) * edges[index].normal_y;
        distance = fmaxf(distance, here - edges[index].offset);
      }
      if (distance < 0.5f) {
        blend(pixel_at(canvas, x, y), colour, clamp_unit(0.5f - distance));
      }
    }
  }
}

void canvas_glow(canvas *canvas, point centre, float radius, colour colour) {
  const box area = box_around(canvas, centre.x - radius, centre.y - radius, centre.x + radius, centre.y + radius);
  for (int y = area.top; y < area.bottom; y++) {
    for (int x = area.left; x < area.right; x++) {
      const float off_x = (float)x + 0.5f - centre.x, off_y = (float)y + 0.5f - centre.y;
      const float share = 1 - sqrtf(off_x * off_x + off_y * off_y) / radius;
      if (share > 0) {
        blend(pixel_at(canvas, x, y), colour, share * share);
      }
    }
  }
}
