/* From every raw format of the ring to what encoders take, by libyuv. */
#ifndef TELE_CONVERT_H
#define TELE_CONVERT_H

#include "encoder.h"

/* Planes that are kept and grow: I420, BT.709 limited range, sides rounded up to even by repeating the last column and
 * row. */
typedef struct converter converter;

int converter_open(converter **made);

/* Converts the picture of a raw frame. `pixels` may be overwritten meanwhile (a slot of the ring): what comes out then
 * is for the bin, and nothing else happens. -EINVAL for a header that contradicts itself or has more than 2^28 pixels,
 * -ENOTSUP for 16 and 17. */
int converter_run(converter *converter, const tele_slot_header *header, const void *pixels, encoder_picture *picture);

/* NULL is fine. */
void converter_close(converter *converter);

#endif
