/* Publishing: the producer's half of the seqlocks, of a frame and of the numbers. */
#include <errno.h>
#include <string.h>

#include "error.h"
#include "picture.h"
#include "producer.h"

static int refuse_frame(const tele_producer *producer, const char *why, uint64_t found, uint64_t expected) {
  error_set(EINVAL, "cannot publish frame %llu of run \"%s\": %s is %llu, expected %llu",
            (unsigned long long)producer->frames + 1, producer->run_id, why, (unsigned long long)found,
            (unsigned long long)expected);
  return -EINVAL;
}

/* Fills in what the frame says about its picture and its overlay; all but seq, frame and the times. */
static int describe(const tele_producer *producer, const tele_frame *frame, tele_slot_header *header,
                    uint64_t *pixel_bytes, uint64_t *payload_bytes) {
  if (!format_is_known(frame->format)) return refuse_frame(producer, "format", frame->format, TELE_FORMAT_RGB8);
  if (frame->width - 1 >= PICTURE_SIDE_MAX) return refuse_frame(producer, "width", frame->width, PICTURE_SIDE_MAX);
  if (frame->height - 1 >= PICTURE_SIDE_MAX) return refuse_frame(producer, "height", frame->height, PICTURE_SIDE_MAX);
  if (frame->pixels == NULL) return refuse_frame(producer, "the address of the pixels", 0, 1);
  *header = (tele_slot_header){.step = frame->step,
                               .episode = frame->episode,
                               .reward = frame->reward,
                               .width = frame->width,
                               .height = frame->height,
                               .format = frame->format,
                               .flags = frame->flags};
  uint64_t bytes = frame->bytes;
  if (format_is_raw(frame->format)) {
    uint32_t stride_min = picture_stride_min(frame->format, frame->width);
    header->stride = frame->stride == 0 ? stride_min : frame->stride;
    if (header->stride < stride_min) return refuse_frame(producer, "stride", frame->stride, stride_min);
    uint64_t expected = picture_bytes(frame->format, header->stride, frame->height);
    if (bytes != 0 && bytes != expected) return refuse_frame(producer, "bytes", bytes, expected);
    bytes = expected;
  } else if (bytes == 0) {
    return refuse_frame(producer, "bytes", 0, 1);
  }
  *pixel_bytes = *payload_bytes = bytes;
  /* Refused for its size; the sums below would overflow. */
  if (bytes > producer->payload_bytes_max) return 0;
  if (frame->overlay != NULL) {
    uint32_t overlay_format = frame->overlay_format == 0 ? TELE_OVERLAY_HEAT8 : frame->overlay_format;
    if (overlay_format != TELE_OVERLAY_HEAT8) {
      return refuse_frame(producer, "overlay_format", overlay_format, TELE_OVERLAY_HEAT8);
    }
    if (frame->overlay_width - 1 >= PICTURE_SIDE_MAX || frame->overlay_height - 1 >= PICTURE_SIDE_MAX) {
      return refuse_frame(producer, "the overlay's larger side",
                          frame->overlay_width > frame->overlay_height ? frame->overlay_width : frame->overlay_height,
                          PICTURE_SIDE_MAX);
    }
    uint64_t overlay_offset = align_payload(bytes);
    uint64_t overlay_bytes = (uint64_t)frame->overlay_width * frame->overlay_height;
    *payload_bytes = overlay_offset + overlay_bytes;
    header->overlay_width = frame->overlay_width;
    header->overlay_height = frame->overlay_height;
    header->overlay_format = overlay_format;
    header->overlay_bytes = (uint32_t)overlay_bytes;
    header->overlay_offset = (uint32_t)overlay_offset;
  }
  header->bytes = (uint32_t)*payload_bytes;
  return 0;
}

/* Counts a frame that has no place. A chain of access units is broken then until the next keyframe, which is asked
 * for through the same word that readers use. */
static int refuse_size(tele_producer *producer, const tele_slot_header *header, uint64_t payload_bytes) {
  producer->frames_refused++;
  if (header->format == TELE_FORMAT_H264) {
    producer->chain_broken = true;
    atomic_fetch_add_explicit(&producer->segment->keyframe_requests, 1, memory_order_relaxed);
  }
  return error_set(
      EMSGSIZE, "cannot publish a frame of run \"%s\": it has %llu bytes with its overlay, a slot holds %llu",
      producer->run_id, (unsigned long long)payload_bytes, (unsigned long long)producer->payload_bytes_max);
}

/* Both times belong to one moment: what is missing is read, or computed from what was given. */
static void stamp(tele_slot_header *header, const tele_frame *frame) {
  header->t_mono_ns = frame->t_mono_ns;
  header->t_real_ns = frame->t_real_ns;
  if (frame->t_mono_ns != 0 && frame->t_real_ns != 0) return;
  uint64_t mono_ns = clock_mono_ns();
  uint64_t real_ns = clock_real_ns();
  if (frame->t_mono_ns != 0) {
    header->t_real_ns = real_ns - (mono_ns - frame->t_mono_ns);
  } else if (frame->t_real_ns != 0) {
    header->t_mono_ns = mono_ns - (real_ns - frame->t_real_ns);
  } else {
    header->t_mono_ns = mono_ns;
    header->t_real_ns = real_ns;
  }
}

static void write_slot(slot *slot, const tele_slot_header *header, const tele_frame *frame, uint64_t pixel_bytes) {
  /* SYNC ring.publish: pairs with sight() and still_stable() in reader_frames.c */
  atomic_store_explicit(&slot->words[0], header->seq - 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_release);
  uint64_t words[SLOT_WORDS];
  memcpy(words, header, sizeof words);
  for (size_t i = 1; i < SLOT_WORDS; i++) atomic_store_explicit(&slot->words[i], words[i], memory_order_relaxed);
  /* Large copies may use non-temporal stores; glibc's memcpy ends them with an sfence itself. */
  memcpy(slot->payload, frame->pixels, pixel_bytes);
  if (header->overlay_bytes > 0) {
    memset(slot->payload + pixel_bytes, 0, header->overlay_offset - pixel_bytes);
    memcpy(slot->payload + header->overlay_offset, frame->overlay, header->overlay_bytes);
  }
  atomic_store_explicit(&slot->words[0], header->seq, memory_order_release);
}

int tele_producer_publish(tele_producer *producer, const tele_frame *frame) {
  if (producer->generation != fork_generation()) {
    return error_set(ECHILD, "cannot publish run \"%s\": this process is a fork of the one that made it",
                     producer->run_id);
  }
  tele_slot_header header;
  uint64_t pixel_bytes, payload_bytes;
  int result = describe(producer, frame, &header, &pixel_bytes, &payload_bytes);
  if (result < 0) return result;
  if (payload_bytes > producer->payload_bytes_max) return refuse_size(producer, &header, payload_bytes);
  if (producer->chain_broken) {
    if (header.format == TELE_FORMAT_H264 && (header.flags & TELE_FRAME_KEYFRAME) == 0) {
      producer->frames_refused++;
      return error_set(EMSGSIZE,
                       "cannot publish an access unit of run \"%s\": one before it was refused, and the next "
                       "one that counts is a keyframe",
                       producer->run_id);
    }
    producer->chain_broken = false;
  }
  stamp(&header, frame);

  segment *segment = producer->segment;
  uint64_t frame_number = ++producer->frames;
  header.frame = frame_number;
  header.seq = 2 * frame_number;
  write_slot(segment_slot(segment, producer->slot_bytes, producer->slot_index), &header, frame, pixel_bytes);
  if (++producer->slot_index == producer->capacity) producer->slot_index = 0;
  atomic_store_explicit(&segment->head, frame_number, memory_order_release);

  /* SYNC ring.notify: pairs with want_datagrams() in hub_pass.c. Either we see the wish, or the hub sees our head. */
  atomic_thread_fence(memory_order_seq_cst);
  if (atomic_load_explicit(&segment->notify_wanted, memory_order_relaxed) != 0) {
    uint64_t now_ns = clock_mono_ns();
    if (lease_runs(segment, now_ns)) notifier_send(&producer->notifier, frame_number, now_ns);
  }
  return 0;
}

int tele_producer_set_hud(tele_producer *producer, const tele_hud *hud) {
  if (producer->generation != fork_generation()) {
    return error_set(ECHILD, "cannot write the numbers of run \"%s\": this process is a fork of the one that made it",
                     producer->run_id);
  }
  segment *segment = producer->segment;
  uint64_t words[HUD_WORDS];
  memcpy(words, hud, sizeof words);
  uint64_t seq = atomic_load_explicit(&segment->hud_seq, memory_order_relaxed);
  /* SYNC ring.hud: pairs with tele_reader_hud() */
  atomic_store_explicit(&segment->hud_seq, seq + 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_release);
  for (size_t i = 0; i < HUD_WORDS; i++) atomic_store_explicit(&segment->hud[i], words[i], memory_order_relaxed);
  atomic_store_explicit(&segment->hud_seq, seq + 2, memory_order_release);
  return 0;
}

uint64_t tele_producer_frames(const tele_producer *producer) { return producer->frames; }

uint64_t tele_producer_frames_refused(const tele_producer *producer) { return producer->frames_refused; }
