#include "source_stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "annexb.h"
#include "clock.h"
#include "error.h"
#include "options.h"
#include "source_format.h"
#include "ts_demux.h"

/* A writer that has stopped for so long has written a whole unit: longer than between two writes of one unit, shorter
 * than between two units. Doubled for each time that this was wrong; after the last, the next unit is waited for. */
#define QUIET_NS (4 * NS_PER_MS)
#define WRONG_CUTS_MAX 4u
/* Without a keyframe and its size in so many bytes there is no H.264 in it. */
#define NO_PICTURE_BYTES_MAX (16u << 20)

struct source_stream {
  const char *name;
  uint64_t unit_bytes_max;
  source_unit_taken taken;
  void *context;
  source_format format;
  uint8_t *beginning; /* until the format is known */
  size_t beginning_count;
  ts_demux demux;
  tele_annexb *splitter;
  uint64_t now_ns, began_ns;
  uint64_t bytes_without_picture;
  bool is_chain;     /* what comes next can be decoded */
  bool is_undecided; /* bytes came since the splitter was asked last whether a unit is whole */
  bool b_slices_told;
};

static int take_bytes(void *context, const uint8_t *bytes, size_t bytes_count);
static int take_unit_end(void *context);
static int take_loss(void *context);

int source_stream_open(const char *name, uint64_t unit_bytes_max, source_unit_taken taken, void *context,
                       source_stream **made) {
  source_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL) return error_set(ENOMEM, "cannot read %s: no memory", name);
  stream->name = name;
  stream->unit_bytes_max = unit_bytes_max;
  stream->taken = taken;
  stream->context = context;
  stream->beginning = malloc(SOURCE_FORMAT_BYTES_MAX);
  const ts_sink sink = {.context = stream, .bytes = take_bytes, .unit_ended = take_unit_end, .lost = take_loss};
  ts_demux_init(&stream->demux, sink);
  if (stream->beginning == NULL || tele_annexb_open(unit_bytes_max, &stream->splitter) < 0) {
    source_stream_close(stream);
    return error_set(ENOMEM, "cannot read %s: no memory", name);
  }
  *made = stream;
  return 0;
}

void source_stream_close(source_stream *stream) {
  if (stream == NULL) return;
  tele_annexb_close(stream->splitter);
  free(stream->beginning);
  free(stream);
}

/* ---- Access units -------------------------------------------------------------------------------- */

static int refuse_unusual(const source_stream *stream) {
  const h264_sps *sps = annexb_sps(stream->splitter);
  if (sps->interlaced) {
    return error_set(ENOTSUP, "%s writes interlaced pictures, which browsers do not decode: make it progressive",
                     stream->name);
  }
  static const char *const chroma[] = {"4:0:0", "4:2:0", "4:2:2", "4:4:4"};
  return error_set(ENOTSUP,
                   "%s writes H.264 with %s colours of %u bits, which browsers do not decode: ask for 4:2:0 of 8 bits "
                   "(FFmpeg: -pix_fmt yuv420p; GStreamer: video/x-raw,format=I420 in front of the encoder)",
                   stream->name, chroma[sps->chroma_format_idc & 3], sps->bit_depth);
}

static int take_unit(source_stream *stream, const tele_access_unit *unit) {
  const uint64_t began_ns = stream->began_ns;
  stream->began_ns = stream->now_ns;
  if ((unit->flags & TELE_UNIT_AFTER_LOSS) != 0) stream->is_chain = false;
  const bool is_keyframe = (unit->flags & TELE_UNIT_KEYFRAME) != 0 && unit->width != 0;
  if (!stream->is_chain && !is_keyframe) return 0;
  if ((unit->flags & TELE_UNIT_UNUSUAL) != 0) return refuse_unusual(stream);
  if ((unit->flags & TELE_UNIT_B_SLICES) != 0 && !stream->b_slices_told) {
    fprintf(stderr,
            AGENT_NAME
            ": %s writes B-frames, whose pictures are shown late and in the wrong order: switch them off "
            "(FFmpeg: -bf 0; x264: tune zerolatency; GStreamer: bframes=0)\n",
            stream->name);
    stream->b_slices_told = true;
  }
  stream->is_chain = true;
  stream->bytes_without_picture = 0;
  return stream->taken(stream->context, unit, began_ns);
}

/* Gives out what is whole; found: what the splitter said. */
static int take_units(source_stream *stream, int found, tele_access_unit *unit) {
  while (found == 1) {
    const int result = take_unit(stream, unit);
    if (result < 0) return result;
    found = tele_annexb_next(stream->splitter, unit);
  }
  if (found != -EMSGSIZE) return found;
  return error_set(EMSGSIZE, "%s writes an access unit of more than %llu bytes: lower its bitrate", stream->name,
                   (unsigned long long)stream->unit_bytes_max);
}

static int take_bytes(void *context, const uint8_t *bytes, size_t bytes_count) {
  source_stream *stream = context;
  tele_access_unit unit;
  stream->is_undecided = true;
  while (bytes_count > 0) {
    if (annexb_held_bytes(stream->splitter) == 0) stream->began_ns = stream->now_ns;
    const int64_t taken = tele_annexb_push(stream->splitter, bytes, bytes_count);
    if (taken < 0) return (int)taken;
    bytes += taken, bytes_count -= (size_t)taken;
    const int result = take_units(stream, tele_annexb_next(stream->splitter, &unit), &unit);
    if (result < 0) return result;
  }
  return 0;
}

static int cut(source_stream *stream) {
  tele_access_unit unit;
  stream->is_undecided = false;
  return take_units(stream, tele_annexb_cut(stream->splitter, &unit), &unit);
}

static bool may_cut(const source_stream *stream) { return annexb_wrong_cuts(stream->splitter) < WRONG_CUTS_MAX; }

static int take_unit_end(void *context) {
  source_stream *stream = context;
  return may_cut(stream) ? cut(stream) : 0;
}

static int take_loss(void *context) {
  annexb_lose(((source_stream *)context)->splitter);
  return 0;
}

/* ---- Bytes --------------------------------------------------------------------------------------- */

static int refuse_format(const source_stream *stream) {
  char text[192];
  source_format_describe(stream->beginning, stream->beginning_count, text, sizeof text);
  return error_set(EPROTO, "what %s writes is neither H.264 (Annex-B) nor MPEG-TS: %s", stream->name, text);
}

static int refuse_no_picture(const source_stream *stream) {
  if (stream->format == SOURCE_FORMAT_TS && !ts_demux_has_video(&stream->demux)) {
    char text[192];
    ts_demux_describe(&stream->demux, text, sizeof text);
    return error_set(EPROTO, "the transport stream of %s has no H.264 in its first program; it has: %s", stream->name,
                     text);
  }
  return error_set(
      EPROTO,
      "%s has written %u MiB without a keyframe (an IDR picture with its SPS and PPS): ask its encoder for "
      "some (FFmpeg: -g 60)",
      stream->name, NO_PICTURE_BYTES_MAX >> 20);
}

static int push_known(source_stream *stream, const uint8_t *bytes, size_t bytes_count) {
  stream->bytes_without_picture += bytes_count;
  const int result = stream->format == SOURCE_FORMAT_TS ? ts_demux_push(&stream->demux, bytes, bytes_count)
                                                        : take_bytes(stream, bytes, bytes_count);
  if (result < 0) return result;
  return stream->bytes_without_picture > NO_PICTURE_BYTES_MAX ? refuse_no_picture(stream) : 0;
}

int source_stream_push(source_stream *stream, const uint8_t *bytes, size_t bytes_count, uint64_t now_ns) {
  stream->now_ns = now_ns;
  while (stream->format == SOURCE_FORMAT_OPEN && bytes_count > 0) {
    const size_t room = SOURCE_FORMAT_BYTES_MAX - stream->beginning_count;
    const size_t taken = bytes_count < room ? bytes_count : room;
    memcpy(stream->beginning + stream->beginning_count, bytes, taken);
    stream->beginning_count += taken;
    bytes += taken, bytes_count -= taken;
    stream->format = source_format_of(stream->beginning, stream->beginning_count);
    if (stream->format == SOURCE_FORMAT_OTHER) return refuse_format(stream);
    if (stream->format == SOURCE_FORMAT_OPEN) continue;
    const int result = push_known(stream, stream->beginning, stream->beginning_count);
    if (result < 0) return result;
  }
  return stream->format == SOURCE_FORMAT_OPEN ? 0 : push_known(stream, bytes, bytes_count);
}

uint64_t source_stream_quiet_ns(const source_stream *stream) {
  if (!stream->is_undecided || !may_cut(stream)) return UINT64_MAX;
  return QUIET_NS << annexb_wrong_cuts(stream->splitter);
}

int source_stream_quiet(source_stream *stream) { return cut(stream); }

int source_stream_end(source_stream *stream) {
  if (stream->format == SOURCE_FORMAT_OPEN && stream->beginning_count > 0) return refuse_format(stream);
  return cut(stream);
}
