#include "utf8.h"

#include <stdbool.h>

static bool continues(unsigned char byte) { return (byte & 0xc0) == 0x80; }

/* How long a character is that begins so; 0: none does. */
static size_t announced(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  if (first >= 0xf0 && first <= 0xf4) return 4;
  return 0;
}

size_t utf8_sequence(const char *bytes, size_t length) {
  const unsigned char *at = (const unsigned char *)bytes;
  size_t whole = length == 0 ? 0 : announced(at[0]);
  if (whole == 0 || whole > length) return 0;
  for (size_t i = 1; i < whole; i++) {
    if (!continues(at[i])) return 0;
  }
  if (at[0] == 0xe0 && at[1] < 0xa0) return 0; /* longer than it need be */
  if (at[0] == 0xed && at[1] > 0x9f) return 0; /* a surrogate */
  if (at[0] == 0xf0 && at[1] < 0x90) return 0;
  if (at[0] == 0xf4 && at[1] > 0x8f) return 0; /* beyond U+10FFFF */
  return whole;
}

size_t utf8_whole_length(const char *bytes, size_t length) {
  const unsigned char *at = (const unsigned char *)bytes;
  for (size_t back = 1; back <= 4 && back <= length; back++) {
    unsigned char byte = at[length - back];
    if (continues(byte)) continue;
    return announced(byte) > back ? length - back : length;
  }
  return length;
}
