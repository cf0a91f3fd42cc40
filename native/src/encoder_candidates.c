/* Which encoders there are, which of them work here, and which one it will be. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "encoder.h"
#include "error.h"
#include "json_text.h"

/* Hardware first. x264 before OpenH264: at the same bitrate, and from 720p on in the same time, its pictures are 0.3 to
 * 1 dB better, and its largest access units smaller (1.2 frames' share against 1.7; bench/native/encode.c). */
const encoder_backend *const encoder_candidates[] = {&encoder_nvenc, &encoder_x264, &encoder_openh264, &encoder_jpeg};
#define CANDIDATES_COUNT (sizeof encoder_candidates / sizeof encoder_candidates[0])
const size_t encoder_candidates_count = CANDIDATES_COUNT;

static pthread_mutex_t probes_lock = PTHREAD_MUTEX_INITIALIZER;
static encoder_probe probes[CANDIDATES_COUNT]; /* guarded by probes_lock until its backend is set, then constant */

static encoder_probe *slot_of(const encoder_backend *backend) {
  size_t i = 0;
  while (encoder_candidates[i] != backend) i++;
  return &probes[i];
}

const encoder_probe *encoder_probe_of(const encoder_backend *backend) {
  encoder_probe *probe = slot_of(backend);
  pthread_mutex_lock(&probes_lock);
  if (probe->backend == NULL) {
    probe->result = backend->probe(probe->detail, sizeof probe->detail);
    probe->backend = backend;
  }
  pthread_mutex_unlock(&probes_lock);
  return probe;
}

static bool takes_memory_of(const encoder_backend *backend, const encoder_config *config) {
  return config->cuda_device == 0 || backend->kind == TELE_ENCODER_NVENC;
}

static int open_candidate(const encoder_backend *backend, const encoder_config *config, encoder **made) {
  const encoder_probe *probe = encoder_probe_of(backend);
  if (probe->result < 0) {
    return error_set(-probe->result, "encoder %s cannot be used: %s", backend->name, probe->detail);
  }
  if (!takes_memory_of(backend, config)) {
    return error_set(EINVAL, "encoder %s takes no pictures from the GPU's memory", backend->name);
  }
  return backend->open(config, made);
}

/* The first that works; the note says of each before it why not. */
static int open_first(uint32_t failed, const encoder_config *config, encoder **made, text *note) {
  for (size_t i = 0; i < CANDIDATES_COUNT; i++) {
    const encoder_backend *backend = encoder_candidates[i];
    if (backend->kind == TELE_ENCODER_JPEG || !takes_memory_of(backend, config)) continue;
    const encoder_probe *probe = encoder_probe_of(backend);
    if ((failed & 1u << backend->kind) != 0) {
      text_append(note, "%s: failed before; ", backend->name);
    } else if (probe->result < 0) {
      text_append(note, "%s: %s; ", backend->name, probe->detail);
    } else if (backend->open(config, made) == 0) {
      text_append(note, "%s", (*made)->name);
      return 0;
    } else {
      text_append(note, "%s: %s; ", backend->name, tele_error_message());
    }
  }
  text_append(note, "none is left");
  return error_set(ENODEV, "no H.264 encoder works for %u x %u: %s", config->width, config->height, note->at);
}

int encoder_open(tele_encoder_kind kind, uint32_t failed, const encoder_config *config, encoder **made, char *note,
                 size_t note_bytes) {
  text text = {.at = note, .bytes = note_bytes};
  text_append(&text, "%s", "");
  if (config->width == 0 || config->height == 0 || (config->width | config->height) % 2 != 0 || config->fps_mhz == 0 ||
      config->bitrate_kbps == 0) {
    return error_set(EINVAL, "cannot open an encoder for %u x %u at %u mHz and %u kbit/s", config->width,
                     config->height, config->fps_mhz, config->bitrate_kbps);
  }
  if (kind == TELE_ENCODER_AUTO) return open_first(failed, config, made, &text);
  for (size_t i = 0; i < CANDIDATES_COUNT; i++) {
    if (encoder_candidates[i]->kind != kind) continue;
    int result = open_candidate(encoder_candidates[i], config, made);
    text_append(&text, result == 0 ? "%s, as asked for" : "%s", result == 0 ? (*made)->name : tele_error_message());
    return result;
  }
  return error_set(EINVAL, "there is no encoder of kind %d", (int)kind);
}

int encoder_check_picture(const encoder_config *config, const encoder_picture *picture) {
  if ((picture->device_address != 0) != (config->cuda_device != 0)) {
    return error_set(EINVAL, "cannot encode a picture in %s memory: the encoder was opened for %s",
                     picture->device_address != 0 ? "the GPU's" : "this process's",
                     picture->device_address != 0 ? "this process's" : "the GPU's");
  }
  if (picture->width == config->width && picture->height == config->height) return 0;
  return error_set(EINVAL, "cannot encode a picture of %u x %u: the encoder was opened for %u x %u", picture->width,
                   picture->height, config->width, config->height);
}

int encoder_check_reconfigure(const encoder_config *before, const encoder_config *after) {
  if (after->width == before->width && after->height == before->height && after->cuda_device == before->cuda_device &&
      after->fps_mhz > 0 && after->bitrate_kbps > 0) {
    return 0;
  }
  return error_set(EINVAL, "cannot set an encoder of %u x %u to %u x %u at %u mHz and %u kbit/s", before->width,
                   before->height, after->width, after->height, after->fps_mhz, after->bitrate_kbps);
}

/* One slice for each half of a 720p picture: below that a second thread costs more than it saves. */
uint32_t encoder_slices(const encoder_config *config) {
  if (config->slices > 0) return config->slices;
  cpu_set_t cores;
  long cores_count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
  uint64_t slices = (uint64_t)config->width * config->height / (1280 * 720 / 2);
  if (slices > 4) slices = 4;
  if (slices > (uint64_t)cores_count) slices = (uint64_t)cores_count;
  return slices > 1 ? (uint32_t)slices : 1;
}

/* 7 Mbit/s for 720p60. Twice the pixels a second need less than twice the bits: neighbours in space and time are more
 * alike; 0.75 is the usual exponent (Kush Gauge tables, YouTube's recommendations lie near it). */
uint32_t encoder_default_kbps(uint32_t width, uint32_t height, uint32_t fps_mhz) {
  double pixels_per_second = (double)width * height * fps_mhz / 1000;
  double kbps = 7000 * pow(pixels_per_second / (1280.0 * 720 * 60), 0.75);
  return kbps < 300 ? 300 : kbps > 100000 ? 100000 : (uint32_t)kbps;
}

int tele_encoders_json(char *buffer, size_t buffer_bytes) {
  text json = {.at = buffer, .bytes = buffer_bytes};
  for (size_t i = 0; i < CANDIDATES_COUNT; i++) {
    const encoder_probe *probe = encoder_probe_of(encoder_candidates[i]);
    text_append(&json, "%s{\"kind\":%d,\"name\":", i == 0 ? "[" : ",", (int)probe->backend->kind);
    text_append_string(&json, probe->backend->name);
    text_append(&json, ",\"usable\":%s,\"detail\":", probe->result == 0 ? "true" : "false");
    text_append_string(&json, probe->detail);
    text_append(&json, "}");
  }
  text_append(&json, "]");
  return text_end(&json, "the encoders");
}
