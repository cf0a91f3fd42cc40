/* UTF-8 as RFC 3629 defines it. */
#ifndef KEEPER_UTF8_H
#define KEEPER_UTF8_H

#include <stddef.h>

/* How many of these bytes are the first character; 0: none, the first byte is no part of UTF-8. */
size_t utf8_sequence(const char *bytes, size_t length);

/* The length without a last character of which only the beginning is here. */
size_t utf8_whole_length(const char *bytes, size_t length);

#endif
