/* Decodes the H.264 of producers that encode themselves (OpenH264's decoder), for JPEG and snapshots. */
#ifndef TELE_DECODER_H
#define TELE_DECODER_H

#include "encoder.h"

typedef struct decoder decoder;

int decoder_open(decoder **made);

/* Takes one access unit. 1 with a picture, whose planes stay the decoder's until its next call; 0 when none came out
 * (damaged, or before a keyframe). -ENOMEM. Hostile bytes are no error of the process. */
int decoder_run(decoder *decoder, const void *bytes, size_t bytes_count, encoder_picture *picture);

/* NULL is fine. */
void decoder_close(decoder *decoder);

#endif
