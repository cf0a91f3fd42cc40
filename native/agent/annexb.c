#include "annexb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define START_CODE_BYTES 3u
/* SPS and PPS of a stream with every tool on take about 150 bytes. */
#define KEPT_BYTES_MAX 1024u
/* Taken in one push beyond the largest unit, so that a unit of that size and what begins the next fit together. */
#define PUSH_BYTES_MAX 65536u
#define NOWHERE SIZE_MAX

struct tele_annexb {
  uint8_t *bytes; /* a unit from its first byte on, and what came behind it */
  size_t bytes_max, bytes_count;
  size_t given;                 /* of the unit given out last: dropped by the next call */
  size_t looked_at;             /* no start code that was not seen begins in front of it */
  size_t nal_start, nal_header; /* of the NAL unit whose end is not known; NOWHERE */
  size_t parameters_at;         /* where parameter sets would stand: behind a delimiter; NOWHERE */
  size_t maybe_next;            /* where the next unit begins if its slice is a first one; NOWHERE */
  uint32_t slices_count, flags;
  bool has_sps;
  bool is_orphan; /* the NAL unit belongs to a picture whose beginning is lost */
  bool was_cut;   /* what follows must begin a unit */
  bool bytes_lost;
  uint64_t unit_bytes_max;
  uint64_t wrong_cuts;
  h264_sps sps;
  uint8_t kept[KEPT_BYTES_MAX]; /* the newest parameter sets */
  size_t kept_count;
};

static void begin_unit(tele_annexb *splitter) {
  splitter->looked_at = 0;
  splitter->nal_start = splitter->nal_header = splitter->parameters_at = splitter->maybe_next = NOWHERE;
  splitter->slices_count = splitter->flags = 0;
  splitter->has_sps = splitter->is_orphan = false;
}

int tele_annexb_open(uint64_t unit_bytes_max, tele_annexb **splitter) {
  tele_annexb *made = calloc(1, sizeof *made);
  if (made == NULL) return error_set(ENOMEM, "cannot split a stream: no memory");
  made->unit_bytes_max = unit_bytes_max;
  begin_unit(made);
  *splitter = made;
  return 0;
}

void tele_annexb_close(tele_annexb *splitter) {
  if (splitter == NULL) return;
  free(splitter->bytes);
  free(splitter);
}

const h264_sps *annexb_sps(const tele_annexb *splitter) { return &splitter->sps; }

uint64_t annexb_wrong_cuts(const tele_annexb *splitter) { return splitter->wrong_cuts; }

uint64_t annexb_held_bytes(const tele_annexb *splitter) { return splitter->bytes_count - splitter->given; }

/* ---- Bytes ------------------------------------------------------------------------------------- */

static void remove_bytes(tele_annexb *splitter, size_t at, size_t count) {
  if (count == 0) return;
  splitter->bytes_count -= count;
  memmove(splitter->bytes + at, splitter->bytes + at + count, splitter->bytes_count - at);
}

static void drop_given(tele_annexb *splitter) {
  if (splitter->given == 0) return;
  remove_bytes(splitter, 0, splitter->given);
  splitter->given = 0;
  begin_unit(splitter);
}

/* Room for `count` more bytes and for the parameter sets, which are put in front of a keyframe. */
static int make_room(tele_annexb *splitter, size_t count) {
  const size_t needed = splitter->bytes_count + count + KEPT_BYTES_MAX;
  if (needed <= splitter->bytes_max) return 0;
  size_t bytes_max = splitter->bytes_max * 2 > needed ? splitter->bytes_max * 2 : needed;
  uint8_t *bytes = realloc(splitter->bytes, bytes_max);
  if (bytes == NULL) return error_set(ENOMEM, "cannot split a stream: no memory for %zu bytes", bytes_max);
  splitter->bytes = bytes;
  splitter->bytes_max = bytes_max;
  return 0;
}

int64_t tele_annexb_push(tele_annexb *splitter, const void *bytes, uint64_t bytes_count) {
  drop_given(splitter);
  const size_t count = bytes_count < PUSH_BYTES_MAX ? bytes_count : PUSH_BYTES_MAX;
  const int result = make_room(splitter, count);
  if (result < 0) return result;
  memcpy(splitter->bytes + splitter->bytes_count, bytes, count);
  splitter->bytes_count += count;
  return (int64_t)count;
}

/* The next start code (00 00 01) from `at` on; NOWHERE. */
static size_t find_start(const tele_annexb *splitter, size_t at) {
  const uint8_t *bytes = splitter->bytes;
  for (size_t one = at + 2; one < splitter->bytes_count; one++) {
    const uint8_t *found = memchr(bytes + one, 1, splitter->bytes_count - one);
    if (found == NULL) return NOWHERE;
    one = (size_t)(found - bytes);
    if (bytes[one - 1] == 0 && bytes[one - 2] == 0) return one - 2;
  }
  return NOWHERE;
}

/* ---- NAL units --------------------------------------------------------------------------------- */

static bool is_slice(uint32_t type) {
  return type == H264_NAL_SLICE || type == H264_NAL_PARTITION_A || type == H264_NAL_IDR;
}

/* Whether a NAL unit of this type, behind the slices of a picture, begins the next access unit (7.4.1.2.3). */
static bool begins_unit(uint32_t type) {
  return (type >= H264_NAL_SEI && type <= H264_NAL_AUD) || (type > H264_NAL_PREFIX && type <= 18);
}

/* first_mb_in_slice is 0: an exp-Golomb code that is one bit, a 1. */
static bool is_first_slice(const uint8_t *header) { return (header[1] & 0x80) != 0; }

static void keep_parameters(tele_annexb *splitter, const uint8_t *nal, size_t nal_bytes) {
  static const uint8_t start_code[] = {0, 0, 0, 1};
  if (splitter->kept_count > 0 && memmem(splitter->kept, splitter->kept_count, nal, nal_bytes) != NULL) return;
  if (splitter->kept_count + sizeof start_code + nal_bytes > KEPT_BYTES_MAX) {
    splitter->kept_count = 0; /* half of them would be worse than none */
    return;
  }
  memcpy(splitter->kept + splitter->kept_count, start_code, sizeof start_code);
  memcpy(splitter->kept + splitter->kept_count + sizeof start_code, nal, nal_bytes);
  splitter->kept_count += sizeof start_code + nal_bytes;
}

static size_t without_zeros(const tele_annexb *splitter, size_t end) {
  while (end > 0 && splitter->bytes[end - 1] == 0) end--;
  return end;
}

/* The NAL unit at nal_header is known up to `end`. */
static void finish_nal(tele_annexb *splitter, size_t end) {
  const uint8_t *nal = splitter->bytes + splitter->nal_header;
  end = without_zeros(splitter, end);
  if (end <= splitter->nal_header) return;
  const size_t nal_bytes = end - splitter->nal_header;
  const uint32_t type = nal[0] & 31;
  if (is_slice(type) && h264_slice_is_b(nal, nal_bytes)) splitter->flags |= TELE_UNIT_B_SLICES;
  if (type == H264_NAL_SPS && h264_sps_parse(nal, nal_bytes, &splitter->sps)) {
    if (!splitter->has_sps) splitter->kept_count = 0;
    splitter->has_sps = true;
  }
  if (type == H264_NAL_SPS || type == H264_NAL_PPS) keep_parameters(splitter, nal, nal_bytes);
}

static void lose(tele_annexb *splitter) {
  splitter->bytes_lost = true;
  splitter->wrong_cuts += splitter->was_cut;
  splitter->was_cut = false;
}

/* Nobody has this unit's parameter sets who has not seen an earlier one. */
static void insert_parameters(tele_annexb *splitter) {
  uint8_t *place = splitter->bytes + splitter->parameters_at;
  memmove(place + splitter->kept_count, place, splitter->bytes_count - splitter->parameters_at);
  memcpy(place, splitter->kept, splitter->kept_count);
  splitter->bytes_count += splitter->kept_count;
}

/* A NAL unit of the unit being collected begins. Returns how many bytes were put in front of it. */
static size_t begin_nal(tele_annexb *splitter, size_t start, size_t header) {
  const uint32_t type = splitter->bytes[header] & 31;
  size_t inserted = 0;
  splitter->is_orphan = false;
  if (splitter->parameters_at == NOWHERE && type != H264_NAL_AUD) splitter->parameters_at = start;
  if (is_slice(type)) {
    if (splitter->slices_count == 0 && !is_first_slice(splitter->bytes + header)) {
      lose(splitter);
      splitter->is_orphan = true;
    } else {
      if (type == H264_NAL_IDR && splitter->slices_count == 0 && !splitter->has_sps && splitter->kept_count > 0) {
        inserted = splitter->kept_count;
        insert_parameters(splitter);
      }
      if (type == H264_NAL_IDR) splitter->flags |= TELE_UNIT_KEYFRAME;
      splitter->slices_count++;
      splitter->maybe_next = NOWHERE;
    }
  }
  splitter->was_cut = false;
  splitter->nal_start = start + inserted;
  splitter->nal_header = header + inserted;
  return inserted;
}

/* ---- Access units ------------------------------------------------------------------------------- */

static int give_unit(tele_annexb *splitter, size_t end, tele_access_unit *unit) {
  const bool is_usual = splitter->sps.width == 0 || h264_sps_is_usual(&splitter->sps);
  *unit = (tele_access_unit){
      .bytes = splitter->bytes,
      .bytes_count = without_zeros(splitter, end),
      .width = splitter->sps.width,
      .height = splitter->sps.height,
      .flags = splitter->flags | (is_usual ? 0 : TELE_UNIT_UNUSUAL) | (splitter->bytes_lost ? TELE_UNIT_AFTER_LOSS : 0),
      .slices_count = splitter->slices_count,
  };
  splitter->bytes_lost = false;
  splitter->given = end;
  return 1;
}

/* Where the unit being collected ends if the NAL unit with this header comes behind it; NOWHERE. */
static size_t unit_end(tele_annexb *splitter, size_t start, size_t header) {
  const uint32_t type = splitter->bytes[header] & 31;
  if (splitter->slices_count == 0) return NOWHERE;
  if (type == H264_NAL_PREFIX && splitter->maybe_next == NOWHERE) splitter->maybe_next = start;
  const bool ends = is_slice(type) ? is_first_slice(splitter->bytes + header) : begins_unit(type);
  if (!ends) return NOWHERE;
  return splitter->maybe_next != NOWHERE ? splitter->maybe_next : start;
}

/* Where a NAL unit begins whose start code is at `code`: with the zero in front of it (B.1.1). */
static size_t start_of(const tele_annexb *splitter, size_t code) {
  const size_t floor = splitter->nal_header == NOWHERE ? 0 : splitter->nal_header + 1;
  return code > floor && splitter->bytes[code - 1] == 0 ? code - 1 : code;
}

/* Drops what lies in front of a NAL unit and belongs to no unit. Returns how much that was. */
static size_t drop_strays(tele_annexb *splitter, size_t start) {
  size_t from = start;
  if (splitter->nal_header == NOWHERE) {
    from = 0;
    if (without_zeros(splitter, start) > 0) lose(splitter);
  } else if (splitter->is_orphan) {
    from = splitter->nal_start;
  }
  remove_bytes(splitter, from, start - from);
  return start - from;
}

void annexb_lose(tele_annexb *splitter) {
  drop_given(splitter);
  splitter->bytes_count = 0;
  splitter->was_cut = false;
  lose(splitter);
  begin_unit(splitter);
}

/* No start code is left to be seen: what is held must not grow for ever. */
static int wait_for_more(tele_annexb *splitter) {
  const size_t tail = splitter->bytes_count < 2 ? splitter->bytes_count : 2;
  if (splitter->nal_header == NOWHERE && splitter->bytes_count > PUSH_BYTES_MAX) {
    if (without_zeros(splitter, splitter->bytes_count) > 0) lose(splitter);
    remove_bytes(splitter, 0, splitter->bytes_count - tail);
  } else if (splitter->bytes_count > splitter->unit_bytes_max) {
    annexb_lose(splitter);
    return error_set(EMSGSIZE, "an access unit is larger than %llu bytes",
                     (unsigned long long)splitter->unit_bytes_max);
  }
  splitter->looked_at = splitter->bytes_count - tail;
  return 0;
}

int tele_annexb_next(tele_annexb *splitter, tele_access_unit *unit) {
  drop_given(splitter);
  for (;;) {
    const size_t code = find_start(splitter, splitter->looked_at);
    if (code == NOWHERE) return wait_for_more(splitter);
    splitter->looked_at = code;
    size_t header = code + START_CODE_BYTES;
    if (header >= splitter->bytes_count) return 0;
    if (is_slice(splitter->bytes[header] & 31) && header + 1 >= splitter->bytes_count) return 0;
    size_t start = start_of(splitter, code);
    if (splitter->nal_header != NOWHERE && !splitter->is_orphan) finish_nal(splitter, start);
    const size_t end = unit_end(splitter, start, header);
    if (end != NOWHERE) return give_unit(splitter, end, unit);
    const size_t dropped = drop_strays(splitter, start);
    start -= dropped, header -= dropped;
    header += begin_nal(splitter, start, header);
    splitter->looked_at = header;
  }
}

int tele_annexb_cut(tele_annexb *splitter, tele_access_unit *unit) {
  const int result = tele_annexb_next(splitter, unit);
  if (result != 0 || splitter->slices_count == 0) return result;
  /* A NAL unit never ends in a zero, and one whose header is not there yet has just begun. */
  const size_t end = splitter->bytes_count;
  if (splitter->bytes[end - 1] == 0 || find_start(splitter, splitter->looked_at) != NOWHERE) return 0;
  finish_nal(splitter, end);
  splitter->was_cut = true;
  return give_unit(splitter, end, unit);
}
