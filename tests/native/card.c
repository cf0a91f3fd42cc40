#include "card.h"

#include <math.h>
#include <stdlib.h>

#include "harness.h"

card card_make(uint32_t width, uint32_t height) {
  card made = {.picture = {.width = width, .height = height}};
  for (int i = 0; i < 3; i++) {
    int stride = (int)(i == 0 ? width : width / 2) + 7; /* no multiple of anything */
    made.planes[i] = calloc((size_t)stride, i == 0 ? height : height / 2);
    CHECK(made.planes[i] != NULL);
    made.picture.planes[i] = made.planes[i];
    made.picture.strides[i] = stride;
  }
  return made;
}

void card_free(card *card) {
  for (int i = 0; i < 3; i++) free(card->planes[i]);
}

void card_draw(card *card, uint32_t number) {
  for (int plane = 0; plane < 3; plane++) {
    uint32_t width = card->picture.width / (plane == 0 ? 1 : 2), height = card->picture.height / (plane == 0 ? 1 : 2);
    uint32_t side = height / 4, left = (number * 3) % width, top = (number * 2) % height;
    for (uint32_t y = 0; y < height; y++) {
      uint8_t *row = card->planes[plane] + (size_t)y * (size_t)card->picture.strides[plane];
      for (uint32_t x = 0; x < width; x++) {
        bool in_box = x - left < side && y - top < side;
        uint32_t gradient = plane == 1 ? y * 100 / height : x * 100 / width;
        row[x] = (uint8_t)(in_box ? 200 : 40 + gradient);
      }
    }
  }
}

void card_draw_noise(card *card, uint32_t number) {
  card_draw(card, number);
  uint64_t state = number + 1;
  for (uint32_t y = 0; y + 4 <= card->picture.height; y += 4) {
    for (uint32_t x = 0; x + 4 <= card->picture.width; x += 4) {
      uint8_t level = (uint8_t)(random_next(&state) % 48);
      for (uint32_t i = 0; i < 16; i++) {
        card->planes[0][(y + i / 4) * (uint32_t)card->picture.strides[0] + x + i % 4] += level;
      }
    }
  }
}

double card_psnr(const encoder_picture *a, const encoder_picture *b) {
  CHECK_EQ(b->width, a->width);
  CHECK_EQ(b->height, a->height);
  double sum = 0, count = 0;
  for (int plane = 0; plane < 3; plane++) {
    uint32_t width = a->width / (plane == 0 ? 1 : 2), height = a->height / (plane == 0 ? 1 : 2);
    for (uint32_t y = 0; y < height; y++) {
      const uint8_t *one = a->planes[plane] + (size_t)y * (size_t)a->strides[plane];
      const uint8_t *other = b->planes[plane] + (size_t)y * (size_t)b->strides[plane];
      for (uint32_t x = 0; x < width; x++) sum += (one[x] - other[x]) * (one[x] - other[x]);
    }
    count += (double)width * height;
  }
  return sum == 0 ? 99 : 10 * log10(255.0 * 255 * count / sum);
}
