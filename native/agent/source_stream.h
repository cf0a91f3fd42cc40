/*
 * What a source writes, as access units: tells by itself whether that is Annex-B or a transport stream, and says what
 * it is otherwise.
 */
#ifndef SOURCE_STREAM_H
#define SOURCE_STREAM_H

#include "telebridge.h"

typedef struct source_stream source_stream;

/* Gets each access unit from the first keyframe on, in order and without gaps; began_ns (mono): when its first bytes
 * came. A negative result ends the call that it happens in. */
typedef int (*source_unit_taken)(void *context, const tele_access_unit *unit, uint64_t began_ns);

/* name: who writes, for messages; it stays the caller's. */
int source_stream_open(const char *name, uint64_t unit_bytes_max, source_unit_taken taken, void *context,
                       source_stream **made);

/* Bytes that came at now_ns. -EPROTO for what is neither, -ENOTSUP for H.264 that viewers cannot decode, -EMSGSIZE for
 * an access unit that is too large: whatever follows would be no better. What the callback returned. */
int source_stream_push(source_stream *stream, const uint8_t *bytes, size_t bytes_count, uint64_t now_ns);

/* For how long nothing must come until source_stream_quiet() is due: it gives out a unit that is whole by then, and
 * would else wait for the next one. UINT64_MAX: there is nothing to give out. */
uint64_t source_stream_quiet_ns(const source_stream *stream);
int source_stream_quiet(source_stream *stream);

/* Nothing will come: gives out the last unit. -EPROTO when what came was no stream. */
int source_stream_end(source_stream *stream);

/* NULL is fine. */
void source_stream_close(source_stream *stream);

#endif
