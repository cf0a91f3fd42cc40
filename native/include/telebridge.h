/*
 * telebridge.h: the shared-memory fast lane, contract version 1.
 *
 * One run is one POSIX shared memory object `mosaic.run.<run_id>.fastlane`: a header of 16,384 bytes
 * and a ring of slots, each guarded by a seqlock. docs/ring.md tells the whole contract in words, so
 * that a producer can be written without this library.
 *
 * Conventions. Functions return 0 or a positive result, or a negative errno. The text that belongs to
 * the last failure on the calling thread is tele_error_message(). Integers in shared memory are
 * little-endian. Times are nanoseconds; `mono` is CLOCK_MONOTONIC, `real` is CLOCK_REALTIME.
 * run_id matches [A-Za-z0-9][A-Za-z0-9._-]{0,63}.
 */
#ifndef TELEBRIDGE_H
#define TELEBRIDGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* ---- Layout of the segment ------------------------------------------------------------------- */

#define TELE_MAGIC 0x41534F4Du /* "MOSA" */
#define TELE_VERSION 1u
#define TELE_HEADER_BYTES 16384u
#define TELE_SLOT_HEADER_BYTES 128u
#define TELE_CAPACITY_MIN 2u
#define TELE_CAPACITY_MAX 4096u
#define TELE_INPUT_EVENTS_MAX 256u
#define TELE_RUN_ID_CHARS_MAX 64u

/* Offsets in the header. Words marked (atomic) are only ever loaded and stored whole. */
enum {
  TELE_OFFSET_MAGIC = 0,               /* u32 (atomic), stored last at creation */
  TELE_OFFSET_VERSION = 4,             /* u32 */
  TELE_OFFSET_FLAGS = 8,               /* u32 (atomic), TELE_FLAG_* */
  TELE_OFFSET_HEADER_BYTES = 12,       /* u32 */
  TELE_OFFSET_CAPACITY = 16,           /* u64, slots */
  TELE_OFFSET_SLOT_BYTES = 24,         /* u64, a multiple of 64 */
  TELE_OFFSET_PAYLOAD_BYTES_MAX = 32,  /* u64 */
  TELE_OFFSET_EPOCH_NS = 40,           /* u64, real */
  TELE_OFFSET_PRODUCER_PID = 48,       /* u32 */
  TELE_OFFSET_HEAD = 64,               /* u64 (atomic), frames published */
  TELE_OFFSET_KEYFRAME_REQUESTS = 144, /* u32 (atomic) */
  TELE_OFFSET_RATE_MAX_MHZ = 148,      /* u32 (atomic) */
  TELE_OFFSET_PAUSE_REQUESTED = 152,   /* u32 (atomic) */
  TELE_OFFSET_NOTIFY_WANTED = 156,     /* u32 (atomic) */
  TELE_OFFSET_CONTROLLER_UNTIL = 160,  /* u64 (atomic), mono ns */
  TELE_OFFSET_HUD_SEQ = 192,           /* u64 (atomic) */
  TELE_OFFSET_HUD = 200,               /* tele_hud, 56 bytes */
  TELE_OFFSET_TAIL = 320,              /* u64 (atomic) */
  TELE_OFFSET_FRAMES_SKIPPED = 328,    /* u64 (atomic) */
  TELE_OFFSET_INPUT_HEAD = 4096,       /* u64 (atomic), the controller writes */
  TELE_OFFSET_INPUTS_DROPPED = 4104,   /* u64 (atomic), the controller writes */
  TELE_OFFSET_INPUT_TAIL = 4160,       /* u64 (atomic), the producer writes */
  TELE_OFFSET_INPUT_EVENTS = 4224      /* 256 tele_input of 32 bytes */
};

enum {
  TELE_FLAG_RUNNING = 1u << 0,
  TELE_FLAG_PAUSED = 1u << 1,
  TELE_FLAG_CLOSED = 1u << 2,    /* closed cleanly */
  TELE_FLAG_OWNER_LOCK = 1u << 3 /* the owner holds the record lock on byte 0 */
};

typedef enum tele_format {
  TELE_FORMAT_RGB8 = 1,
  TELE_FORMAT_RGBA8 = 2,
  TELE_FORMAT_BGRA8 = 3,
  TELE_FORMAT_GRAY8 = 4,
  TELE_FORMAT_NV12 = 5,  /* BT.709 limited range; UV rows of `stride` bytes, which is even for odd widths too */
  TELE_FORMAT_I420 = 6,  /* BT.709 limited range; U and V rows of (stride + 1) / 2 bytes */
  TELE_FORMAT_H264 = 16, /* one Annex-B access unit */
  TELE_FORMAT_JPEG = 17
} tele_format;

#define TELE_FRAME_KEYFRAME 1u
#define TELE_OVERLAY_HEAT8 1u

/* The 128 bytes in front of every payload, and of every frame that tele_reader_read() copies. */
typedef struct tele_slot_header {
  uint64_t seq;   /* 2n - 1 while publication n is written, 2n when stable */
  uint64_t frame; /* n, counted from 1 */
  uint64_t step;
  uint64_t episode;
  double reward;
  uint64_t t_mono_ns; /* when the worker had the frame */
  uint64_t t_real_ns; /* the same moment */
  uint32_t width;     /* pixels, 1 to 65535 */
  uint32_t height;    /* pixels, 1 to 65535 */
  uint32_t format;    /* tele_format */
  uint32_t stride;    /* bytes per row of plane 0; 0 for formats 16 and 17 */
  uint32_t bytes;     /* payload, the overlay included when there is one */
  uint32_t flags;     /* TELE_FRAME_* */
  uint32_t overlay_width;
  uint32_t overlay_height;
  uint32_t overlay_format; /* TELE_OVERLAY_* */
  uint32_t overlay_bytes;
  uint32_t overlay_offset; /* from the payload's start, a multiple of 64; ends an access unit or a JPEG */
  uint8_t reserved[28];
} tele_slot_header;

/* The numbers shown over the picture. `loss` is NaN where there is none. */
typedef struct tele_hud {
  double last_reward;
  double avg_reward_1s;
  double step_rate_hz;
  uint64_t episode;
  uint64_t step;
  double episode_return;
  double loss;
} tele_hud;

typedef enum tele_input_kind {
  TELE_INPUT_POINTER = 1,
  TELE_INPUT_WHEEL = 2,
  TELE_INPUT_KEY = 3,
  TELE_INPUT_RESIZE = 4,
  TELE_INPUT_COMMAND = 5,
  TELE_INPUT_RELEASE_ALL = 6
} tele_input_kind;

enum { TELE_COMMAND_PAUSE = 1, TELE_COMMAND_RESUME = 2, TELE_COMMAND_STEP = 3, TELE_COMMAND_WORKER = 256 };

typedef struct tele_input {
  uint32_t kind;      /* tele_input_kind */
  uint32_t code;      /* key: USB HID usage; command: TELE_COMMAND_*, from 256 the worker's own */
  float x, y;         /* pointer: 0 to 1 of the picture; wheel: lines; resize: pixels; command: value in x */
  uint32_t buttons;   /* pointer: bit mask; key: 1 down, 0 up */
  uint32_t modifiers; /* 1 shift, 2 control, 4 alt, 8 meta */
  uint64_t t_ns;      /* mono */
} tele_input;

/* ---- Library --------------------------------------------------------------------------------- */

/* The library's version, "major.minor.patch". Static; never freed. */
const char *tele_version(void);

/* What the last failed call on this thread was doing, with what, and what it found. Never NULL. */
const char *tele_error_message(void);

/* CLOCK_MONOTONIC, in ns. */
uint64_t tele_clock_mono_ns(void);

/* Writes the sizes and offsets of every public struct and the header's offsets as one JSON object, so that bindings
 * can compare them with their own:
 *   {"version":"0.1.0","structs":{"tele_hud":{"bytes":56,"fields":{"last_reward":{"offset":0,"bytes":8},...}},...},
 *    "header":{"MAGIC":0,...}}
 * Returns its length without the zero behind it, or -ENOSPC (16 KiB are enough). */
int tele_layout_json(char *buffer, size_t buffer_bytes);

/* The object's name, "/mosaic.run.<run_id>.fastlane", into buffer (96 bytes are enough). 0; -EINVAL for a bad id;
 * -ENOSPC. */
int tele_segment_name(const char *run_id, char *buffer, size_t buffer_bytes);

/* The directory for sockets: $TELEBRIDGE_RUNTIME_DIR, else $XDG_RUNTIME_DIR/telebridge, else
 * /tmp/telebridge-<uid>. Made 0700 when missing. 0; -EPERM when it is not ours, open to others, or a link;
 * -ENAMETOOLONG. */
int tele_runtime_dir(char *buffer, size_t buffer_bytes);

/* ---- Producer: one thread of the one process that made the segment ---------------------------- */

typedef struct tele_producer tele_producer;

typedef struct tele_producer_options {
  uint64_t payload_bytes_max; /* the largest frame with its overlay; required */
  uint64_t capacity;          /* slots; 0 = 64 MiB / slot_bytes, between 4 and 64 */
} tele_producer_options;

/* A frame to publish. Zero the struct, then set what applies. */
typedef struct tele_frame {
  const void *pixels;  /* plane 0, further planes follow without gaps; or the access unit, the JPEG */
  const void *overlay; /* overlay_width * overlay_height bytes, or NULL */
  uint64_t bytes;      /* of pixels; 0 = computed from format, stride and height; required for 16 and 17 */
  uint64_t step;
  uint64_t episode;
  double reward;
  uint64_t t_mono_ns; /* 0 = now */
  uint64_t t_real_ns; /* 0 = now */
  uint32_t width, height;
  uint32_t format; /* tele_format */
  uint32_t stride; /* 0 = without padding (NV12: the width rounded up to even) */
  uint32_t flags;  /* TELE_FRAME_* */
  uint32_t overlay_width, overlay_height;
  uint32_t overlay_format; /* 0 with an overlay = TELE_OVERLAY_HEAT8 */
} tele_frame;

typedef struct tele_controls {
  uint32_t controller_alive; /* 1 while a controller's lease runs; else the two below are 0 */
  uint32_t pause_requested;
  uint32_t rate_max_mhz; /* 0 = no cap */
  uint32_t keyframe_requests;
} tele_controls;

/* Creates the segment. A dead one of the same name is removed first, which takes up to 10 s of waiting if another
 * program made it without the owner's lock. -EEXIST "already published by pid N" when it is alive; -ENOSPC when
 * /dev/shm is full; -EINVAL for a bad id or size. Takes the runtime directory from the environment; one that cannot be
 * used costs the datagrams and nothing else. */
int tele_producer_open(const char *run_id, const tele_producer_options *options, tele_producer **producer);

/* Publishes one frame: one copy, no waiting, and no system call while nobody waits. -EMSGSIZE (counted) when it does
 * not fit a slot; in a ring of access units a keyframe is then asked for, and whatever comes before it is refused too.
 * -EINVAL for a frame that contradicts itself, -ECHILD in a fork of the owner. */
int tele_producer_publish(tele_producer *producer, const tele_frame *frame);

/* 1 when a frame published now would stay under the controller's rate cap, else 0. A 1 takes the turn. */
int tele_producer_wants_frame(tele_producer *producer);

/* Writes the numbers over the picture. -ECHILD in a fork of the owner. */
int tele_producer_set_hud(tele_producer *producer, const tele_hud *hud);

/* What the controller asks for at this moment. */
void tele_producer_controls(const tele_producer *producer, tele_controls *controls);

/* Call once per step. Returns 1 when the worker should go on: nobody asks for a pause, or a single step was
 * granted; 0 when still paused after timeout_ms. Sets the `paused` flag meanwhile. Waits in naps of at most
 * 5 ms, so that a killed controller's lease runs out. */
int tele_producer_gate(tele_producer *producer, uint32_t timeout_ms);

/* Takes the oldest input event. 1 with an event, 0 without. RELEASE_ALL: some were lost, let go of every key. */
int tele_producer_next_input(tele_producer *producer, tele_input *event);

/* Frames published, and refused for their size. */
uint64_t tele_producer_frames(const tele_producer *producer);
uint64_t tele_producer_frames_refused(const tele_producer *producer);

/* Input events lost, since nobody took them: by the controller for a full ring, and by the library when the worker
 * calls tele_producer_gate() but never tele_producer_next_input(). */
uint64_t tele_producer_inputs_dropped(const tele_producer *producer);

/* Marks the run as closed cleanly and unlinks the segment. In a fork of the owner: only unmaps. NULL is fine. */
void tele_producer_close(tele_producer *producer);

/* ---- Reader: any number, any process of the same user; one thread at a time each --------------- */

typedef struct tele_reader tele_reader;

typedef enum tele_owner { TELE_OWNER_ALIVE = 1, TELE_OWNER_DEAD = 2, TELE_OWNER_CLOSED = 3 } tele_owner;

typedef struct tele_status {
  uint64_t head;
  uint64_t epoch_ns;
  uint64_t capacity;
  uint64_t slot_bytes;
  uint64_t inode;
  uint32_t flags; /* TELE_FLAG_* */
  uint32_t owner; /* tele_owner */
  uint32_t producer_pid;
  uint32_t replaced; /* 1 when the name now leads to another segment, or to none */
  tele_controls controls;
} tele_status;

/* Attaches. -ENOENT no such run; -EAGAIN not ready yet; -EPERM another user's; -EPROTO a header that lies. */
int tele_reader_open(const char *run_id, tele_reader **reader);

/* How the run is: six system calls at most. -EFAULT when the segment was truncated under us. */
int tele_reader_status(tele_reader *reader, tele_status *status);

#define TELE_READ_NEWEST 0u
#define TELE_READ_NEXT 1u

/* Copies a frame numbered over `after` into buffer: its tele_slot_header, then the payload. NEWEST takes the
 * freshest, NEXT takes after + 1. Every field is bounded: picture and overlay lie inside the payload. Returns 1 with a
 * frame (*bytes_out = 128 + its bytes); 0 without a new one; -ENOBUFS when buffer is too small (*bytes_out tells the
 * need); -ESTALE when NEXT was overwritten; -EPROTO for a slot that lies; -EFAULT for a truncated segment. */
int tele_reader_read(tele_reader *reader, uint64_t after, uint32_t mode, void *buffer, uint64_t buffer_bytes,
                     uint64_t *bytes_out);

/* The same without the copy: *payload points into the segment and may be overwritten meanwhile. What was made
 * of it counts only if tele_reader_end() then returns 1. Pixels only; what is parsed must be copied first. */
int tele_reader_begin(tele_reader *reader, uint64_t after, uint32_t mode, tele_slot_header *header,
                      const void **payload);
/* 1 the payload was whole until now, 0 it was overwritten meanwhile, -EFAULT. */
int tele_reader_end(tele_reader *reader, const tele_slot_header *header);

/* 1 with numbers, 0 when none were ever written; -EAGAIN while they are being written; -EFAULT. */
int tele_reader_hud(tele_reader *reader, tele_hud *hud);

/* Reads begun, and repeated because a slot changed meanwhile. */
void tele_reader_counters(const tele_reader *reader, uint64_t *reads, uint64_t *retries);

/* Asks an encoding producer for an IDR. */
int tele_reader_request_keyframe(tele_reader *reader);

/* Unlinks the segment when its owner is dead and the name still leads to it. 1 removed, 0 left alone. */
int tele_reader_remove_stale(tele_reader *reader);

/* The same by name, for segments that no reader can attach to: one that was given up half-made is removed 10 s after
 * its creation. 1 removed, 0 left alone or none there; -EPROTO a header that lies is left alone. */
int tele_segment_remove_stale(const char *run_id);

/* Its controller and its streams must be gone. NULL is fine. */
void tele_reader_close(tele_reader *reader);

/* ---- Controller: one per run; one thread at a time, beside the hub that renews its lease ------- */

typedef struct tele_controller tele_controller;

/* Becomes the run's controller, and clears what a killed one had asked for; where there was input before, the worker
 * gets a RELEASE_ALL at once. -EBUSY when another is, with its pid in the text where it is known, and for up to 2 s
 * after one was killed, until its lease has ended; -EPERM for a runtime directory that is not safe. The reader must
 * outlive it. */
int tele_controller_open(tele_reader *reader, tele_controller **controller);
/* The calls below return -EFAULT for a truncated segment. */

/* Renews the lease for 2 s; to be called every 0.5 s (tele_hub_next does so for its streams). */
int tele_controller_renew(tele_controller *controller);
int tele_controller_set_pause(tele_controller *controller, uint32_t paused);
int tele_controller_set_rate_max(tele_controller *controller, uint32_t rate_max_mhz);
/* Number of events written; the rest is dropped and counted, and the next event sent is a RELEASE_ALL. Events whose
 * t_ns is 0 get the time of now. */
int tele_controller_send_inputs(tele_controller *controller, const tele_input *events, uint32_t events_count);
/* Input events written so far, and taken by the worker, both counted since the segment was made: an event after which
 * *head was N has been taken once *tail is N or more. A ring that lies has taken nothing. */
int tele_controller_inputs(tele_controller *controller, uint64_t *head, uint64_t *tail);
/* Tells the producer which frame was sampled last and how many were passed over (advisory). */
int tele_controller_set_sampled(tele_controller *controller, uint64_t tail, uint64_t frames_skipped);
/* Clears the control words, ends the lease, removes the socket. NULL is fine. */
void tele_controller_close(tele_controller *controller);

/* ---- Hub: one blocking wait for all streams ---------------------------------------------------- */

typedef struct tele_hub tele_hub;

typedef enum tele_hub_event_kind {
  TELE_HUB_FRAME = 1,     /* a frame newer than armed for; the stream is disarmed */
  TELE_HUB_CLOSED = 2,    /* the producer closed cleanly */
  TELE_HUB_DEAD = 3,      /* the producer died */
  TELE_HUB_FAULT = 4,     /* detail: errno; the segment was truncated or lies */
  TELE_HUB_REPLACED = 5,  /* the name leads to a newer segment */
  TELE_HUB_POLLING = 6,   /* frames come without datagrams: another runtime directory; polling until they come */
  TELE_HUB_PACKET = 7,    /* a video stream has packets: tele_stream_take() until it returns 0 */
  TELE_HUB_ENCODER = 8,   /* a video stream opened or changed its encoder: tele_stream_status() tells which and why */
  TELE_HUB_NO_ENCODER = 9 /* none is left for an output of a video stream; head: the bits of all such outputs, detail:
                             errno; tele_stream_status() says why. Nothing comes from them before the size, the format
                             or the encoder asked for changes */
} tele_hub_event_kind;

typedef struct tele_hub_event {
  uint64_t stream_id;
  uint64_t head;
  uint64_t t_mono_ns; /* when the hub saw it */
  uint32_t kind;      /* tele_hub_event_kind */
  uint32_t detail;
} tele_hub_event;

int tele_hub_create(tele_hub **hub);
/* Adds a stream, disarmed. controller may be NULL: the stream is then polled every ms while armed. Reader and
 * controller must outlive the stream; both may be used by another thread meanwhile. CLOSED, DEAD, FAULT and REPLACED
 * come at most once each, armed or not, within 250 ms. -EEXIST for an id that is in use. */
int tele_hub_add(tele_hub *hub, uint64_t stream_id, tele_reader *reader, tele_controller *controller);
/* After it returns the hub touches neither reader nor controller. -ENOENT, as for the two below. */
int tele_hub_remove(tele_hub *hub, uint64_t stream_id);
/* Asks for one FRAME event, once head > after, and not before not_before_ns (mono; 0 = at once). A stream that
 * is not armed costs its producer no system call. */
int tele_hub_arm(tele_hub *hub, uint64_t stream_id, uint64_t after, uint64_t not_before_ns);
int tele_hub_disarm(tele_hub *hub, uint64_t stream_id);
/* Waits until something is ready or timeout_ms passed; returns how many events were written. One caller at a
 * time; every other hub call may come from another thread meanwhile. */
int tele_hub_next(tele_hub *hub, uint32_t timeout_ms, tele_hub_event *events, uint32_t events_max);
/* Makes a waiting tele_hub_next(), or the next one, return now. */
int tele_hub_wake(tele_hub *hub);
/* Nobody may be waiting. NULL is fine. */
void tele_hub_destroy(tele_hub *hub);

/* ---- Video: one native thread per watched run ---------------------------------------------------- */

typedef enum tele_encoder_kind {
  TELE_ENCODER_AUTO = 0, /* the first of the next three that works */
  TELE_ENCODER_NVENC = 1,
  TELE_ENCODER_X264 = 2,
  TELE_ENCODER_OPENH264 = 3,
  TELE_ENCODER_JPEG = 4,
  TELE_ENCODER_PASSED = 5 /* the producer's own access units or JPEGs, untouched */
} tele_encoder_kind;

/* What this machine can encode with, in the order in which AUTO tries, as JSON:
 *   [{"kind":2,"name":"x264","usable":true,"detail":"libx264.so.164"},
 *    {"kind":1,"name":"nvenc","usable":false,"detail":"libcuda.so.1: cannot open shared object file"},...]
 * Each is probed by opening a session, which takes up to 1 s the first time; later calls return what was found then.
 * Returns the length without the zero behind it, or -ENOSPC (4 KiB are enough). Any thread. */
int tele_encoders_json(char *buffer, size_t buffer_bytes);

/* ---- Probes: what this machine can do, for `telebridge doctor` ---------------------------------- */

/*
 * Each asks somebody else's driver, which may hang or crash: call them in a process that may die, one probe in each.
 * They load libraries and keep them. All write JSON and return its length without the zero behind it, -ENODEV where
 * there is nothing to ask (the text says what is missing), or -ENOSPC (16 KiB are enough). Any thread.
 */

/* CUDA's driver and its devices, without a context on any:
 *   {"cuda":"12.4","devices":[{"name":"NVIDIA H200","memory_bytes":150754820096,"compute_capability":"9.0"},...]} */
int tele_probe_cuda_json(char *buffer, size_t buffer_bytes);

/* The devices that EGL renders on without a display (EGL_EXT_device_enumeration), each tried by making an OpenGL
 * context, else one of OpenGL ES; "error" stands where that failed, and the members after it are missing then:
 *   {"devices":[{"drm":"/dev/dri/card0","extensions":"EGL_NV_device_cuda ...","error":null,"egl":"1.5",
 *     "vendor":"NVIDIA","api":"OpenGL","renderer":"NVIDIA H200/PCIe/SSE2"},...]}
 * "drm" is null for a device that has no node. */
int tele_probe_egl_json(char *buffer, size_t buffer_bytes);

/* The clock, which asks the kernel alone and is safe anywhere:
 *   {"synchronized":true,"max_error_us":2500,"read_ns":24.1}
 * `synchronized` is what the kernel was told by NTP (adjtimex(2)), read_ns the cost of reading CLOCK_MONOTONIC. */
int tele_probe_clock_json(char *buffer, size_t buffer_bytes);

/* What a stream makes; bits. */
#define TELE_OUTPUT_H264 1u
#define TELE_OUTPUT_JPEG 2u

typedef struct tele_stream_settings {
  uint64_t phase_ns;  /* with period_ns: a turn begins at each phase_ns + k * period_ns (mono) and takes one frame:
                         the newest then, or else the next that comes in the turn's first half */
  uint64_t period_ns; /* 0 = every frame as it comes */
  uint64_t interval_min_ns; /* least time between two sampled frames; 0 = none */
  uint32_t outputs;         /* TELE_OUTPUT_* for which somebody can take a packet; 0 = nothing is sampled */
  uint32_t every_nth;       /* only every n-th frame of the run; 0 and 1 = all */
  uint32_t in_order;        /* 1 = every frame while the ring holds it; 0 = always the newest */
  uint32_t bitrate_kbps;    /* 0 = by size and rate */
  uint32_t gop_ms;          /* between keyframes that nobody asked for; 0 = no such keyframes */
  uint32_t fps_mhz;         /* expected rate in millihertz, for rate control; 0 = measured */
  uint32_t jpeg_quality;    /* 1 to 100; 0 = 80 */
  uint32_t encoder;         /* tele_encoder_kind for H.264; NVENC to OPENH264 force one */
} tele_stream_settings;

typedef struct tele_stream_status {
  uint64_t frames_sampled;  /* converted and encoded, or passed */
  uint64_t frames_skipped;  /* of the ring, passed over */
  uint64_t packets;         /* queued */
  uint64_t packets_dropped; /* access units of the run that were passed over up to a keyframe, since nobody took those
                               before them in time */
  uint64_t keyframes;
  uint64_t bytes;      /* of packets queued */
  uint64_t convert_ns; /* time spent, in total */
  uint64_t encode_ns;
  uint64_t decode_ns;     /* of a producer's H.264, for the JPEG output */
  uint64_t last_frame;    /* number of the newest frame sampled */
  uint32_t encoder;       /* tele_encoder_kind in use for H.264; AUTO while none is open */
  uint32_t width, height; /* of the newest frame sampled */
  uint32_t bitrate_kbps;  /* what the encoder aims at; 0 for PASSED */
  char encoder_name[32];  /* "x264 164", "OpenH264 2.3.1", "NVENC 12.1 on NVIDIA L4" */
  char note[160];         /* why it is this one: what was passed over, or what failed */
} tele_stream_status;

typedef struct tele_stream tele_stream;

/* Starts a thread that waits for the run's frames, samples, converts and encodes them, and queues packets; the hub's
 * tele_hub_next() tells of them under stream_id, and of the run's end as for tele_hub_add(), which must not be
 * called with the same controller meanwhile. Frames are read through the reader by the stream alone until it is closed;
 * its status, its numbers and its keyframe requests stay everybody's. The controller (NULL: polled) stays the caller's:
 * its lease is renewed, and told which frame was sampled. All outlive the stream. -EEXIST for an id in use; -EINVAL.
 *
 * Raw frames are encoded. Those of format 17 pass as they are to the JPEG output and have no other. Those of format 16
 * pass to the H.264 output, every one in its order, whatever phase, interval and every_nth say; they begin with the
 * newest keyframe that the ring holds, and where the chain is broken the producer is asked for one. For the JPEG output
 * they are decoded. A change of size or format in mid-run is a new encoder and a keyframe.
 *
 * An output has an encoder from its first frame on until nobody has wanted it for 5 s. At most four of its packets
 * wait; while they do, nothing is sampled for it, so that no chain breaks: what a run of format 16 publishes meanwhile
 * stays in the ring, and is passed over up to a newer keyframe if it has one. */
int tele_stream_open(tele_hub *hub, uint64_t stream_id, tele_reader *reader, tele_controller *controller,
                     const tele_stream_settings *settings, tele_stream **stream);

/* Takes effect with the next frame; -EINVAL and nothing changed for settings that make no sense. Any thread, as for the
 * calls below. */
int tele_stream_set(tele_stream *stream, const tele_stream_settings *settings);

/* The next packet of these outputs will be a keyframe, soon: when no newer frame comes, of the newest one again (same
 * number). Where the producer encodes, it is asked, at most every 250 ms, and its access units pass until it answers;
 * one that publishes nothing for 250 ms has those since its newest keyframe in the ring passed once more. */
int tele_stream_request_keyframe(tele_stream *stream, uint32_t outputs);

/* Takes the oldest packet: a tele_slot_header, then the access unit or JPEG, then the frame's overlay, which its
 * overlay_offset finds. Width and height are the picture's; the coded size of odd ones is rounded up to even. In the
 * header's reserved bytes: u32 at 100, the packet's number in its output, from 1, without gaps while packets follow
 * one another (where access units were passed over, the next is a keyframe); u64 at 104, mono ns when the frame was
 * sampled; u64 at 120, mono ns when the packet was ready. format tells the output. 1 with a packet (*bytes_out its
 * bytes); 0 none; -ENOBUFS: *bytes_out tells the need. */
int tele_stream_take(tele_stream *stream, void *buffer, uint64_t buffer_bytes, uint64_t *bytes_out);

int tele_stream_status_get(tele_stream *stream, tele_stream_status *status);

/* Stops and joins the thread, which takes at most as long as one frame, or as opening an encoder. Before its reader and
 * controller are closed. NULL is fine. */
void tele_stream_close(tele_stream *stream);

/* ---- Snapshot ---------------------------------------------------------------------------------- */

/* Encodes a frame as copied by tele_reader_read() to JPEG (quality 1 to 100; any raw format, odd sizes;
 * format 17 passes through). 0; -ENOBUFS: *jpeg_bytes tells the need; -ENOTSUP for format 16, which is a chain and no
 * picture: tele_reader_snapshot(); -EINVAL for a frame that contradicts itself. Any thread. */
int tele_jpeg_encode(const void *frame, uint64_t frame_bytes, uint32_t quality, void *jpeg, uint64_t jpeg_bytes_max,
                     uint64_t *jpeg_bytes);

/* The run's newest picture as JPEG, whatever its format: of H.264 the access units from the newest keyframe on that
 * the ring still holds are decoded, and where there is none the producer is asked and waited for, up to timeout_ms. 0;
 * -ENOENT no frame yet; -ETIMEDOUT no keyframe came; -ENOBUFS, -EINVAL as above; -EFAULT. It blocks; one thread at a
 * time for each reader, which nobody else reads through meanwhile. */
int tele_reader_snapshot(tele_reader *reader, uint32_t quality, uint32_t timeout_ms, void *jpeg,
                         uint64_t jpeg_bytes_max, uint64_t *jpeg_bytes);

/* ---- Agents ------------------------------------------------------------------------------------ */

/* `telebridge agent`, whole: renders without a screen, encodes, and writes H.264 into a ring, to stdout or into a FIFO
 * (docs/agent.md). It owns the process: stdout, signals, threads. Returns the exit status. */
int tele_agent_main(int argc, char **argv);

/*
 * Pictures that are in an NVIDIA GPU's memory, as H.264 into a ring: for a user's own CUDA program, or PyTorch's or
 * JAX's tensors. The GPU converts them. Where it has an encoder (NVENC) that reads them there, and only the bitstream
 * crosses the bus; where it has none (A100, H100, H200) 1.5 bytes a pixel are copied through pinned memory, beside
 * whatever CPU and GPU do meanwhile, and a thread of the library's encodes. libcuda.so.1 is found at run time.
 *
 * Memory, arrays and streams belong to the device's primary context: the one of CUDA's runtime API.
 */
typedef struct tele_cuda tele_cuda;

/* Zero the struct, then set what applies. */
typedef struct tele_cuda_options {
  uint32_t width, height; /* pixels; required. Odd sides are rounded up by repeating the last column or row */
  uint32_t device;        /* CUDA's ordinal */
  uint32_t encoder;       /* tele_encoder_kind for H.264 */
  uint32_t fps_mhz;       /* expected rate in millihertz, for rate control; 0 = 30000 */
  uint32_t bitrate_kbps;  /* 0 = by size and rate */
  uint32_t gop_ms;        /* between keyframes that nobody asked for; 0 = 2000 */
} tele_cuda_options;

/* Zero the struct, then set what applies. */
typedef struct tele_cuda_frame {
  uint64_t address; /* CUdeviceptr of the pixels; 0 = they are in the array */
  uint64_t chroma;  /* NV12: CUdeviceptr of the UV rows; 0 = behind the last row of luma */
  uint64_t array;   /* CUarray of four unsigned bytes an element */
  uint64_t stream;  /* CUstream (cudaStream_t) that the picture is ready on; 0 = the default stream */
  uint64_t step;
  uint64_t episode;
  double reward;
  uint64_t t_mono_ns; /* 0 = now */
  uint32_t format;    /* TELE_FORMAT_RGB8, RGBA8, BGRA8, GRAY8 or NV12; of an array RGBA8 or BGRA8 */
  uint32_t pitch;     /* bytes from row to row; 0 = without padding */
  uint32_t bottom_up; /* 1 = the first row is the picture's last, as OpenGL draws */
} tele_cuda_frame;

typedef struct tele_cuda_status {
  uint64_t frames_published;
  uint64_t frames_skipped; /* came while two before them waited for the encoder */
  uint32_t encoder;        /* tele_encoder_kind in use */
  uint32_t on_gpu;         /* 1: it reads the GPU's memory; 0: pictures are copied */
  char encoder_name[32];
  char note[160]; /* why it is this one */
} tele_cuda_status;

/* Makes the run, its converter and its encoder. As tele_producer_open(), and -ENODEV without CUDA, the device or an
 * encoder that works. */
int tele_cuda_open(const char *run_id, const tele_cuda_options *options, tele_cuda **cuda);

/* Takes a picture, without waiting for it: the conversion is queued on the frame's stream, so that whatever that stream
 * does next may overwrite the source. 1 when it will be published; 0 when two wait for the encoder, and this one is
 * skipped. -EINVAL for a frame that contradicts itself or is not in that GPU's memory; -EIO (or what the text tells)
 * once an earlier picture failed for good, and -ECHILD in a fork: close it then. One thread. */
int tele_cuda_publish(tele_cuda *cuda, const tele_cuda_frame *frame);

/* Waits until all that was taken is published. Negative errno where one failed for good. */
int tele_cuda_flush(tele_cuda *cuda);

/* The run's producer, for pause, rate cap, input and numbers; only the library publishes and closes it. */
tele_producer *tele_cuda_producer(tele_cuda *cuda);

/* Any thread. */
int tele_cuda_status_get(tele_cuda *cuda, tele_cuda_status *status);

/* Publishes what was taken, and ends the run. In a fork: only unmaps. NULL is fine. */
void tele_cuda_close(tele_cuda *cuda);

/*
 * Textures of a user's own OpenGL program, as H.264 into a ring. They are converted where they are, by a shader,
 * and 1.5 bytes a pixel are read; on a software renderer (llvmpipe) the CPU converts them, which is faster there.
 *
 * All of it belongs to the context that is current when it is opened, and to its thread: OpenGL 3.3 or OpenGL ES 3.0,
 * or later, made by EGL in whatever way. The context is left as it was: bindings, viewport, masks and capabilities;
 * GL's error is cleared. Queries, transform feedback and conditional rendering must not be under way.
 */
typedef struct tele_gl tele_gl;

enum { TELE_GL_AUTO = 0, TELE_GL_BY_SHADER = 1, TELE_GL_BY_CPU = 2 };

/* Zero the struct, then set what applies. */
typedef struct tele_gl_options {
  uint32_t width, height; /* pixels; required. Odd sides are rounded up by repeating the last column or row */
  uint32_t encoder;       /* tele_encoder_kind for H.264 */
  uint32_t fps_mhz;       /* expected rate in millihertz, for rate control; 0 = 30000 */
  uint32_t bitrate_kbps;  /* 0 = by size and rate */
  uint32_t gop_ms;        /* between keyframes that nobody asked for; 0 = 2000 */
  uint32_t conversion;    /* TELE_GL_*; AUTO unless you measure */
  uint32_t pipelined;     /* 1 = a picture is encoded and published by the call after its own, and the GPU draws
                             meanwhile; 0 = each call waits until the GPU has drawn its picture, and none is late */
} tele_gl_options;

/* Zero the struct, then set what applies. */
typedef struct tele_gl_frame {
  uint64_t step;
  uint64_t episode;
  double reward;
  uint64_t t_mono_ns; /* 0 = now */
  uint32_t texture;   /* GL_TEXTURE_2D of the run's size, its level 0; colours as shown (RGBA8, RGB8, RGBA16F, ...) */
  uint32_t top_down;  /* 1 = its first row is the picture's top one; 0 = the bottom one, as OpenGL draws */
} tele_gl_frame;

typedef struct tele_gl_status {
  uint64_t frames_published;
  uint32_t encoder;     /* tele_encoder_kind in use */
  uint32_t is_software; /* 1: the CPU draws */
  uint32_t on_gpu;      /* 1: the encoder reads the GPU's memory; 0: pictures are read into ours */
  char encoder_name[32];
  char note[160];     /* why it is this one */
  char renderer[128]; /* GL_RENDERER */
} tele_gl_status;

/* Makes the run, its encoder and what reads textures. As tele_producer_open(), and -ENODEV without libEGL.so.1 or an
 * encoder that works, -ENOTCONN without a current context, -ENOTSUP for one that is too old. */
int tele_gl_open(const char *run_id, const tele_gl_options *options, tele_gl **gl);

/* Takes a picture; what is drawn into the texture afterwards does not change it. Encoding is done by this thread.
 * -EINVAL for no texture of the run's size, -ENOTCONN when the context is not current, -ENODEV when it is lost (the GPU
 * was reset), -EIO for what OpenGL or the encoder refused, -ECHILD in a fork. */
int tele_gl_publish(tele_gl *gl, const tele_gl_frame *frame);

/* Publishes what was taken, where that is pipelined. As tele_gl_publish(). */
int tele_gl_flush(tele_gl *gl);

/* The run's producer, for pause, rate cap, input and numbers; only the library publishes and closes it. */
tele_producer *tele_gl_producer(tele_gl *gl);

int tele_gl_status_get(const tele_gl *gl, tele_gl_status *status);

/* Publishes what was taken, and ends the run. Before the context is destroyed, with it current; else what was made in
 * the context is left to it. In a fork: only unmaps. NULL is fine. */
void tele_gl_close(tele_gl *gl);

/* Replaces this process by the program at the first of these words, each with a zero behind it, the last one too;
 * further ones are its arguments. Signals are as a shell would leave them. Returns only when that fails: -ENOENT,
 * -EACCES and what else execve(2) says; -EINVAL. */
int tele_exec(const char *words, size_t words_bytes);

/* ---- MPEG transport stream --------------------------------------------------------------------- */

/* Packs one H.264 stream into a transport stream (ISO/IEC 13818-1), live: every access unit comes out whole at once,
 * with its length where it fits, the tables in front of keyframes and every 100 ms, the clock in each unit's first
 * packet. One thread at a time. */
typedef struct tele_ts_mux tele_ts_mux;

int tele_ts_mux_open(tele_ts_mux **mux);

/* Room that is enough for any unit of so many bytes. */
#define TELE_TS_BYTES_MAX(unit_bytes) (((uint64_t)(unit_bytes) / 184u + 4u) * 188u)

/* One access unit in Annex-B, in order of decoding, which is that of showing: there are no B-frames. flags:
 * TELE_FRAME_KEYFRAME. time_ns: when it is shown, of any clock; where it does not rise, it is raised by 1/90,000 s. 0
 * with *ts_bytes, a multiple of 188; -ENOBUFS: *ts_bytes tells the need; -EINVAL for what does not begin with a start
 * code. A failure leaves no trace. */
int tele_ts_mux_pack(tele_ts_mux *mux, const void *unit, uint64_t unit_bytes, uint32_t flags, uint64_t time_ns,
                     void *ts, uint64_t ts_bytes_max, uint64_t *ts_bytes);

/* NULL is fine. */
void tele_ts_mux_close(tele_ts_mux *mux);

/* ---- H.264 as other programs write it ----------------------------------------------------------- */

/* Splits a stream of Annex-B (ITU-R H.264, annex B) into access units, in bounded memory, whatever it is given. A
 * keyframe without parameter sets gets those that came before it. One thread at a time. */
typedef struct tele_annexb tele_annexb;

enum {
  TELE_UNIT_KEYFRAME = TELE_FRAME_KEYFRAME, /* an IDR */
  TELE_UNIT_B_SLICES = 2,                   /* shown earlier than units that came before it */
  TELE_UNIT_UNUSUAL = 4,                    /* not 8 bits, 4:2:0, whole frames: most decoders refuse it */
  TELE_UNIT_AFTER_LOSS = 8                  /* bytes in front of it were lost: wait for a keyframe */
};

typedef struct tele_access_unit {
  const uint8_t *bytes; /* from its first start code on; the splitter's, and good until its next call */
  uint64_t bytes_count;
  uint32_t width, height; /* of the picture, as the newest SPS says; 0 before one came */
  uint32_t flags;         /* TELE_UNIT_* */
  uint32_t slices_count;
} tele_access_unit;

/* A larger access unit is not taken. -ENOMEM. */
int tele_annexb_open(uint64_t unit_bytes_max, tele_annexb **splitter);

/* Takes bytes of the stream, however it is cut into pieces. Returns how many, at least one; the rest is for the next
 * call, after tele_annexb_next() has returned 0. -ENOMEM. */
int64_t tele_annexb_push(tele_annexb *splitter, const void *bytes, uint64_t bytes_count);

/* The next access unit whose end is known, which takes the beginning of what follows it. 1 with one; 0: more bytes are
 * needed; -EMSGSIZE: one is larger than unit_bytes_max, and was dropped (what follows is given out). */
int tele_annexb_next(tele_annexb *splitter, tele_access_unit *unit);

/* The access unit begun is believed to be whole: the stream has ended, or is quiet, or a container says so. As
 * tele_annexb_next(); 0 where nothing was begun or it cannot have ended here. What follows tells whether that was
 * true; if not, the next unit is AFTER_LOSS. */
int tele_annexb_cut(tele_annexb *splitter, tele_access_unit *unit);

/* NULL is fine. */
void tele_annexb_close(tele_annexb *splitter);

/* ---- What a picture looks like, for watchdogs --------------------------------------------------- */

#define TELE_STATS_COLUMNS 64u
#define TELE_STATS_ROWS 36u
/* Of a scene in which nothing moves, cells of two pictures differ by no more than this, at a bitrate that suits it;
 * tests/native/picture_stats_test.c has what was measured. */
#define TELE_STATS_NOISE_MAX 6u

typedef struct tele_picture_stats {
  uint64_t frame; /* its number */
  uint64_t t_mono_ns;
  uint32_t width, height;      /* pixels */
  uint32_t luma_min, luma_max; /* of all pixels, 0 black to 255 white */
  /* Row by row the mean luma of TELE_STATS_COLUMNS * TELE_STATS_ROWS cells, 0 to 255. */
  uint8_t cells[TELE_STATS_COLUMNS * TELE_STATS_ROWS];
} tele_picture_stats;

/* Looks at a picture numbered over `after`. Raw frames and JPEGs: the newest. H.264: the last one before the newest
 * keyframe, or the newest that is 20 units or more behind one, since an encoder's pictures settle only then; the GOP is
 * decoded up to it. Where the ring holds too little for that the producer is left alone with ask_ms 0, else asked for a
 * keyframe and waited for, so long at most, and then what there is must do. 1 with numbers; 0 no new picture, or none
 * that can be decoded; -ENOMEM, -EPROTO, -EFAULT. It takes from 1 ms for a JPEG to 200 for a GOP of 1080p; one thread
 * at a time for each reader. */
int tele_reader_picture_stats(tele_reader *reader, uint64_t after, uint32_t ask_ms, tele_picture_stats *stats);

/* ---- SQLite ------------------------------------------------------------------------------------ */

/* SQLite's entry point of a loadable extension (sqlite3_load_extension): makes the table-valued function
 *
 *   tele_columns(types, a0, a1, ...)   rows c0, c1, ... from packed little-endian arrays, up to 8; rowid from 0
 *
 * types has a letter for each array: q i64, s u64 whose largest value is NULL, d f64 whose NaN is NULL, u u32, b u8.
 * The arrays are blobs of as many elements each. Nobody else calls it. */
int tele_sqlite_init(void *db, char **error, const void *routines);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
