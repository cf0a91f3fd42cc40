/* Writes cards to stdout for a peer to encode: draw_cards WIDTH HEIGHT, RGBA rows, CARDS_COUNT frames. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "card.h"

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: draw_cards WIDTH HEIGHT\n");
    return 2;
  }
  uint32_t width = (uint32_t)atoi(argv[1]), height = (uint32_t)atoi(argv[2]);
  size_t bytes = (size_t)width * height * 4;
  uint8_t *rgba = malloc(bytes);
  if (rgba == NULL) bench_check(-ENOMEM, "a card");
  for (uint32_t number = 0; number < CARDS_COUNT; number++) {
    card_draw(rgba, width, height, number);
    if (fwrite(rgba, bytes, 1, stdout) != 1) bench_check(-errno, "stdout");
  }
  free(rgba);
  return fflush(stdout) == 0 ? 0 : 1;
}
