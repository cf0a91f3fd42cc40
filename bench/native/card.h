/* Frames that look like a simulator's: shapes that move over a backdrop with some texture. Each follows from its number
 * and its size, so that whoever measures beside us has the same ones. */
#ifndef CARD_H
#define CARD_H

#include <stdint.h>

/* Frames until the motion repeats; the last one leads into the first. */
#define CARDS_COUNT 48u

/* RGBA rows without padding. */
void card_draw(uint8_t *rgba, uint32_t width, uint32_t height, uint32_t number);

#endif
