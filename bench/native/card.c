#include "card.h"

#include <math.h>
#include <stddef.h>

#define SHAPES_COUNT 7
#define TEXTURE_LEVELS 12u

typedef struct colour {
  uint8_t red, green, blue;
} colour;

/* The finaliser of MurmurHash3: texture that does not move, as a floor's. */
static uint32_t hash(uint32_t x) {
  x ^= x >> 16;
  x *= 0x85ebca6bu;
  x ^= x >> 13;
  x *= 0xc2b2ae35u;
  return x ^ x >> 16;
}

static void put(uint8_t *pixel, colour colour) {
  pixel[0] = colour.red;
  pixel[1] = colour.green;
  pixel[2] = colour.blue;
  pixel[3] = 255;
}

static void draw_backdrop(uint8_t *rgba, uint32_t width, uint32_t height) {
  for (uint32_t y = 0; y < height; y++) {
    for (uint32_t x = 0; x < width; x++) {
      uint8_t grain = (uint8_t)(hash(y / 2 * width + x / 2) % TEXTURE_LEVELS);
      uint8_t floor = y > height / 2 ? grain : 0;
      put(rgba + 4 * ((size_t)y * width + x),
          (colour){(uint8_t)(40 + 80 * y / height + floor), (uint8_t)(60 + 60 * x / width + floor),
                   (uint8_t)(110 + 90 * (height - y) / height)});
    }
  }
}

static void draw_disc(uint8_t *rgba, uint32_t width, uint32_t height, double centre_x, double centre_y, double radius,
                      colour colour) {
  for (uint32_t y = 0; y < height; y++) {
    double dy = y - centre_y;
    if (dy * dy > radius * radius) continue;
    double half = sqrt(radius * radius - dy * dy);
    double begin = fmax(0, centre_x - half), end = fmin(width, centre_x + half);
    for (uint32_t x = (uint32_t)begin; x < end; x++) put(rgba + 4 * ((size_t)y * width + x), colour);
  }
}

void card_draw(uint8_t *rgba, uint32_t width, uint32_t height, uint32_t number) {
  draw_backdrop(rgba, width, height);
  double turn = 6.283185307179586 * (number % CARDS_COUNT) / CARDS_COUNT;
  for (int i = 0; i < SHAPES_COUNT; i++) {
    double share = (double)i / SHAPES_COUNT;
    draw_disc(rgba, width, height, width * (0.5 + 0.4 * sin(turn + 7 * share)),
              height * (0.5 + 0.4 * cos(turn * (i % 2 + 1) + share)), height * (0.05 + 0.08 * share),
              (colour){(uint8_t)(255 * share), (uint8_t)(230 - 150 * share), (uint8_t)(60 + 20 * i)});
  }
}
