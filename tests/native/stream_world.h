/* A run in this process, a stream of it, and somebody who takes its packets. */
#ifndef STREAM_WORLD_H
#define STREAM_WORLD_H

#include "decoder.h"
#include "harness.h"

/* A packet as it is taken; the names of its header's reserved bytes. */
typedef struct packet_header {
  union {
    tele_slot_header slot;
    struct {
      uint8_t before[100];
      uint32_t number;
      uint64_t sampled_ns;
      uint64_t unused;
      uint64_t ready_ns;
    };
  };
} packet_header;
_Static_assert(sizeof(packet_header) == TELE_SLOT_HEADER_BYTES, "a packet begins with a slot header");

#define CARD_BYTES_MAX (640u * 480u * 4u)
#define PACKET_BYTES_MAX (1u << 20)

typedef struct world {
  tele_producer *producer;
  tele_reader *reader;
  tele_controller *controller;
  tele_hub *hub;
  tele_stream *stream;
  decoder *decoder;
  encoder *encoder; /* of publish_unit() */
  uint32_t seen;    /* bit per tele_hub_event_kind that came while another one was waited for */
  uint64_t packet_bytes;
  uint8_t *packet;
  uint8_t *pixels;
} world;

/* A picture of one shade; grey in every format. */
typedef struct card {
  uint32_t format;
  uint32_t width, height;
  uint8_t shade;   /* luma of a YUV format, grey else: 16 to 235 */
  uint8_t overlay; /* 0 = none, else the heat of 8 x 8 cells */
  uint64_t step;
} card;

void open_world(world *world, uint64_t capacity);
/* For a run that another process publishes. */
void join_world(world *world);
void publish_card(world *world, const card *card);
/* Encodes a card of 64 x 48 in one shade of I420 and publishes the access unit, as a producer that encodes does. */
void publish_unit(world *world, uint8_t shade, bool keyframe);
card unit_card(uint8_t shade);
/* Publishes a JPEG of such a card. */
void publish_jpeg(world *world, uint8_t shade);
void open_stream(world *world, const tele_stream_settings *settings);
/* Waits for an event of this kind; others are kept in `seen`. */
tele_hub_event expect_event(world *world, tele_hub_event_kind kind);
/* Nothing may come for so long, beside late news of packets that were taken already. */
void expect_silence(world *world, uint32_t ms);
/* Waits until the stream has made so many packets, without taking any. */
void wait_for_packets(world *world, uint64_t packets_count);
/* The header's word: 1 while a hub waits for datagrams. */
uint32_t notify_wanted(const world *world);
/* Takes a packet, and waits for it where there is none. */
const packet_header *expect_packet(world *world);
/* The same if there is one at once, else NULL. */
const packet_header *take_packet(world *world);
/* Decodes the packet taken last (H.264 by the world's decoder, one after the other), which must show this card. */
void expect_card(world *world, const card *card);
tele_stream_status status_of(world *world);
void close_world(world *world);

#endif
