/*
 * What every encoder is to the rest: one table of functions and a row in encoder_candidates.c. A new encoder is one
 * file, one row, and the conformance suite (tests/native/encoder_test.c), which runs on every row.
 *
 * For all of them: real time (no B-frames, no reordering, nothing held back: one picture in, one access unit out),
 * constant bitrate with access units of about a frame's share each, IDRs too (a VBV of one frame where there is such a
 * thing), SPS and PPS in front of every IDR, Annex-B, BT.709 limited range in the VUI. One thread at a
 * time each. Failures are negative errnos with a text in error_message.
 */
#ifndef TELE_ENCODER_H
#define TELE_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "telebridge.h"

/* A picture as encoders take it: I420, BT.709 limited range, even width and height (convert.h makes it). */
typedef struct encoder_picture {
  const uint8_t *planes[3];
  int strides[3]; /* bytes */
  uint32_t width, height;
  /* Instead of planes, for an encoder that was opened with a cuda_device: NV12 in that GPU's memory, finished, both
   * planes with strides[0] and chroma behind the last row of luma. */
  uint64_t device_address;
} encoder_picture;

typedef struct encoder_config {
  uint32_t width, height; /* of the pictures: even */
  uint32_t fps_mhz;       /* expected pictures per 1000 s: rate control only */
  uint32_t bitrate_kbps;
  uint32_t quality;     /* JPEG only: 1 to 100 */
  uint32_t slices;      /* of a picture: 0 = as many as pay off, which only the CPU's encoders cut; 1 = one */
  uint32_t cuda_device; /* NVENC only: pictures come from the memory of CUDA's device cuda_device - 1; 0 = from ours */
} encoder_config;

/* The bytes stay the encoder's, and good until its next call. */
typedef struct access_unit {
  const uint8_t *bytes;
  size_t bytes_count;
  bool keyframe;
} access_unit;

typedef struct encoder encoder;

typedef struct encoder_backend {
  tele_encoder_kind kind;
  const char *name; /* as --encoder says it */
  /* Whether it works here, found by opening a session. Writes what it is ("x264 164") or why not. */
  int (*probe)(char *detail, size_t detail_bytes);
  /* The first picture after it comes out as an IDR. */
  int (*open)(const encoder_config *config, encoder **made);
  /* Another bitrate, rate, GOP or quality, from the next picture on, without an IDR. Same size. */
  int (*reconfigure)(encoder *encoder, const encoder_config *config);
  int (*encode)(encoder *encoder, const encoder_picture *picture, bool keyframe, access_unit *out);
  /* NULL is fine. */
  void (*close)(encoder *encoder);
} encoder_backend;

/* Every backend embeds this as its first member. */
struct encoder {
  const encoder_backend *backend;
  char name[32]; /* for people: "OpenH264 2.3.1" */
};

/* The candidates for H.264 in the order in which AUTO tries them, then JPEG. */
extern const encoder_backend *const encoder_candidates[];
extern const size_t encoder_candidates_count;

extern const encoder_backend encoder_nvenc;
extern const encoder_backend encoder_x264;
extern const encoder_backend encoder_openh264;
extern const encoder_backend encoder_jpeg;

/* What a probe found; each candidate is probed once in the life of the process. Any thread. */
typedef struct encoder_probe {
  const encoder_backend *backend;
  int result; /* 0, or a negative errno */
  char detail[128];
} encoder_probe;
const encoder_probe *encoder_probe_of(const encoder_backend *backend);

/* Opens the encoder of that kind; AUTO: the first usable one of H.264 that is not in `failed` (bit per kind). Writes
 * into note why it is this one: "nvenc: no libcuda.so.1; x264 164". */
int encoder_open(tele_encoder_kind kind, uint32_t failed, const encoder_config *config, encoder **made, char *note,
                 size_t note_bytes);

/* For backends: -EINVAL with a text for a picture of another size or in another memory, and for another size, memory or
 * nothing to aim at. */
int encoder_check_picture(const encoder_config *config, const encoder_picture *picture);
int encoder_check_reconfigure(const encoder_config *before, const encoder_config *after);

/* For backends on the CPU: into how many slices, each with a thread of its own, a picture is cut here. */
uint32_t encoder_slices(const encoder_config *config);

/* Bits per second that look good at this size and rate, in kbit/s: the default when nobody says otherwise. */
uint32_t encoder_default_kbps(uint32_t width, uint32_t height, uint32_t fps_mhz);

#endif
