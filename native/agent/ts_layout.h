/* What both sides of a transport stream know (ISO/IEC 13818-1). */
#ifndef TS_LAYOUT_H
#define TS_LAYOUT_H

#define TS_PACKET_BYTES 188u
#define TS_HEADER_BYTES 4u
#define TS_SYNC 0x47
#define TS_HAS_ADAPTATION 0x20 /* in a packet's fourth byte */
#define TS_HAS_PAYLOAD 0x10

#define TS_PID_PAT 0x0000
#define TS_STREAM_H264 0x1B

/* Where ours are: anywhere, told by the tables. As FFmpeg's. */
#define TS_PID_PMT 0x1000
#define TS_PID_VIDEO 0x0100

#endif
