/* Pictures for encoders, and how far what comes back is from them. */
#ifndef CARD_H
#define CARD_H

#include "encoder.h"

typedef struct card {
  encoder_picture picture;
  uint8_t *planes[3];
} card;

card card_make(uint32_t width, uint32_t height);

/* Gradients in all three planes, over which a box moves with the picture's number. */
void card_draw(card *card, uint32_t number);

/* Coarse noise over the gradients, other noise in every picture: as much to encode as there are bits for it. */
void card_draw_noise(card *card, uint32_t number);

void card_free(card *card);

/* In dB over all three planes; 99 for equal ones. Ends the test when the sizes differ. */
double card_psnr(const encoder_picture *a, const encoder_picture *b);

#endif
