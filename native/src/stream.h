/*
 * A stream: one thread that samples a run's frames, encodes them and queues packets.
 *
 *   stream.c         what other threads call
 *   stream_thread.c  the loop: wait, take a turn, tell the hub
 *   stream_frames.c  turns of runs that publish pictures: sample, convert, encode; or a JPEG as it is
 *   stream_units.c   turns of runs that publish access units: pass them, decode them for JPEG
 *   stream_packets.c from a picture to a packet, and what is counted and told of it
 *   stream_output.c  an encoder and its keyframes;  packet_queue.c  packets that wait to be taken
 *
 * The thread waits by a hub of its own with this one run in it, so that datagrams, polling, the lease and the end of
 * the run are the hub's business here as everywhere.
 */
#ifndef TELE_STREAM_H
#define TELE_STREAM_H

#include <pthread.h>

#include "access_chain.h"
#include "controller.h"
#include "convert.h"
#include "decoder.h"
#include "hub.h"
#include "sampler.h"
#include "stream_output.h"

enum { OUTPUT_H264, OUTPUT_JPEG, OUTPUTS_COUNT };

/* What a run publishes at the moment. */
typedef enum run_content { CONTENT_UNKNOWN, CONTENT_RAW, CONTENT_JPEG, CONTENT_UNITS } run_content;

struct tele_stream {
  tele_hub *hub; /* the caller's, which tells of the packets */
  hub_source source;
  tele_reader *reader;
  tele_controller *controller;
  tele_hub *own_hub;
  pthread_t thread;

  pthread_mutex_t mutex; /* of what follows, and of committing and taking packets */
  tele_stream_settings settings;
  tele_stream_status status;
  uint32_t keyframes_asked; /* TELE_OUTPUT_*, not seen by the thread yet */
  bool short_of_room;       /* the thread waits until a packet is taken */
  bool stopping;
  uint64_t packets_committed;

  /* The rest is the thread's. */
  stream_output outputs[OUTPUTS_COUNT];
  run_content content;
  sampler sampler;
  uint32_t rate_mhz; /* of sampling, measured */
  bool ending;       /* nothing newer comes: what is there is sampled whatever its turn */
  bool faulted;      /* the segment is not looked at any more */
  converter *converter;
  uint8_t *overlay; /* of the picture that is being encoded */
  uint64_t overlay_bytes_max;
  frame_copy copy;
  access_chain passed;  /* for the H.264 output of a run of access units */
  access_chain decoded; /* for its JPEG output */
  decoder *decoder;
  encoder_picture picture; /* the newest decoded; the decoder's */
  tele_slot_header picture_header;
  sampler pictures;    /* of those that became a JPEG */
  uint64_t picture_ns; /* when its access unit was read */
  bool picture_fresh;  /* not made a JPEG of yet */
};

/* One look at the run: what may be done, and then what to wait for. */
typedef struct turn {
  tele_stream_settings settings;
  uint32_t wanted; /* TELE_OUTPUT_* that somebody can take and that have an encoder or may get one */
  uint32_t room;   /* of those with room for a packet */
  uint64_t now_ns;
  tele_slot_header newest;
  bool armed; /* wait for a frame newer than `after`, from not_before_ns on */
  uint64_t after;
  uint64_t not_before_ns;
  uint64_t wake_ns; /* look again then in any case; 0 = when something happens */
} turn;

/* Take a turn; true: there is more to be done at once. */
bool stream_take_frames_turn(tele_stream *stream, turn *turn);
bool stream_take_units_turn(tele_stream *stream, turn *turn);

/* The thread's body: pthread_create()'s. */
void *stream_run(void *stream);

/* ---- For turns ------------------------------------------------------------------------------------ */

void turn_arm(turn *turn, uint64_t after, uint64_t not_before_ns);
void turn_wake_at(turn *turn, uint64_t when_ns);

/* A JPEG or an access unit, and where it is from. */
typedef struct coded_frame {
  const tele_slot_header *header; /* of the frame in the ring */
  const uint8_t *bytes;
  uint64_t bytes_count;
  const uint8_t *overlay; /* header->overlay_bytes */
  uint64_t sampled_ns;
  bool keyframe;
} coded_frame;

/* Makes a packet of it and tells the hub. 0, -ENOMEM. */
int stream_queue(tele_stream *stream, stream_output *output, const coded_frame *coded);

/* Encodes a picture for an output, queues it, and tells the hub of a new encoder or of none left. */
void stream_encode(tele_stream *stream, const turn *turn, stream_output *output, const encoder_picture *picture,
                   const tele_slot_header *header, uint64_t sampled_ns);

/* Nothing comes from this output any more, for the reason that was set by error_set(). */
void stream_give_up(tele_stream *stream, const turn *turn, stream_output *output, int result);

/* Counts a frame that was sampled; once, though it may be sampled again for a keyframe. */
void stream_count_sampled(tele_stream *stream, const tele_slot_header *header, uint64_t sampled_ns);

/* A failed read: the segment is lost or lies. */
void stream_fault(tele_stream *stream, int result);

/* Copies an overlay to where stream_encode() takes it from. False without memory: it is left out then. */
bool stream_keep_overlay(tele_stream *stream, const tele_slot_header *header, const uint8_t *payload);

/* Tells which encoder makes the H.264 output. */
void stream_tell_encoder(tele_stream *stream, tele_encoder_kind kind, const char *name, const char *note);

#endif
