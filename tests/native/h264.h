/* Reads as much of an access unit as the tests ask about (ITU-R H.264, 7.3.2.1.1, 7.3.3, E.1.1). */
#ifndef H264_H
#define H264_H

#include "encoder.h"

typedef struct h264_unit {
  uint32_t sps_count, pps_count, idr_slices, other_slices;
  bool b_slices;      /* any slice that is neither P nor I */
  bool headers_first; /* SPS and PPS lie in front of the first slice */
  /* Of the SPS, when there is one. */
  uint32_t profile, width, height, poc_type;
  bool colours_told; /* the VUI has a video signal type with a colour description */
  bool full_range;
  uint32_t primaries, transfer, matrix;
  uint32_t reorder_frames; /* UINT32_MAX = the VUI does not say */
} h264_unit;

/* Ends the test for what is no Annex-B access unit. */
h264_unit h264_parse(const uint8_t *bytes, size_t bytes_count);

#endif
