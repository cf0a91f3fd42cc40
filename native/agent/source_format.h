/* What a stream is, by how it begins. */
#ifndef SOURCE_FORMAT_H
#define SOURCE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

typedef enum source_format {
  SOURCE_FORMAT_OPEN, /* more bytes are needed to tell */
  SOURCE_FORMAT_ANNEXB,
  SOURCE_FORMAT_TS,
  SOURCE_FORMAT_OTHER
} source_format;

/* More than so many are not needed. */
#define SOURCE_FORMAT_BYTES_MAX 65536u

/* Looks past what stands in front of the stream: a line of text, or the end of a unit where a reader came late. */
source_format source_format_of(const uint8_t *bytes, size_t bytes_count);

/* What begins so, for people, and what to do about it. */
void source_format_describe(const uint8_t *bytes, size_t bytes_count, char *text, size_t text_bytes);

#endif
