/* What a sequence parameter set and a slice's header say of the pictures (ITU-R H.264, 7.3.2.1.1 and 7.3.3). */
#ifndef H264_SPS_H
#define H264_SPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { H264_NAL_SLICE = 1, H264_NAL_PARTITION_A = 2, H264_NAL_IDR = 5, H264_NAL_SEI = 6, H264_NAL_SPS = 7 };
enum { H264_NAL_PPS = 8, H264_NAL_AUD = 9, H264_NAL_PREFIX = 14 };

typedef struct h264_sps {
  uint32_t width, height; /* of the picture, without what is cropped */
  uint32_t profile_idc;
  uint32_t chroma_format_idc; /* 1 = 4:2:0 */
  uint32_t bit_depth;         /* the larger one of luma and chroma */
  bool interlaced;            /* fields may come */
} h264_sps;

/* From the NAL unit with its header byte. False, and nothing changed, for one that makes no sense. */
bool h264_sps_parse(const uint8_t *nal, size_t nal_bytes, h264_sps *sps);

/* Whether every usual decoder takes it: 4:2:0, 8 bits, whole frames. */
bool h264_sps_is_usual(const h264_sps *sps);

/* Whether a slice's NAL unit is of type B, whose picture is shown earlier than others that were sent before it. */
bool h264_slice_is_b(const uint8_t *nal, size_t nal_bytes);

#endif
