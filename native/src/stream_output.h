/* One output of a stream: its encoder, which keyframes it owes, its packets and their numbers. */
#ifndef TELE_STREAM_OUTPUT_H
#define TELE_STREAM_OUTPUT_H

#include "encoder.h"
#include "packet_queue.h"

typedef struct stream_output {
  uint32_t bit;       /* TELE_OUTPUT_* */
  packet_queue queue; /* committed and taken under the stream's mutex */
  /* The rest is the stream's thread's. */
  uint32_t number; /* of the packet queued last */
  uint64_t frame;  /* the ring's, in that packet */
  encoder *encoder;
  encoder_config config; /* of the encoder, or of the one that could not be opened */
  uint32_t kind_asked;   /* tele_encoder_kind */
  uint32_t failed;       /* bit per tele_encoder_kind that failed with this size */
  bool given_up;         /* no encoder is left for this size */
  bool keyframe_due;     /* asked for and not made yet */
  uint64_t keyframe_asked_ns;
  uint64_t keyframe_ns; /* when the last one was made */
  uint64_t wanted_ns;   /* when somebody could take a packet last */
  char note[160];       /* why it is this encoder */
} stream_output;

/* What a picture became, beside the access unit itself. */
typedef enum output_news { OUTPUT_SAME, OUTPUT_OPENED, OUTPUT_GIVEN_UP } output_news;

/* Encodes a picture: opens the encoder where there is none for its size, takes over changed settings, and falls to the
 * next one where one fails. 0; a negative errno when none is left, and then nothing comes before forget_failures(),
 * another size or another kind. */
int output_encode(stream_output *output, const tele_stream_settings *settings, uint32_t fps_mhz,
                  const encoder_picture *picture, access_unit *unit, output_news *news);

/* Whether the next picture has to be a keyframe. */
bool output_owes_keyframe(const stream_output *output, const tele_stream_settings *settings, uint64_t now_ns);

/* Whether every encoder has failed for pictures of this size (pixels of the frame, odd ones too). */
bool output_is_hopeless(const stream_output *output, const tele_stream_settings *settings, uint32_t width,
                        uint32_t height);

/* Nothing comes for frames of this size, for a reason outside of any encoder; the text is error_set()'s. */
void output_give_up(stream_output *output, const tele_stream_settings *settings, uint32_t width, uint32_t height);

/* A new start: what failed is tried again. */
void output_forget_failures(stream_output *output);

void output_close_encoder(stream_output *output);

#endif
