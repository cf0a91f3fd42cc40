#include "error.h"

#include <stdarg.h>
#include <stdio.h>

#include "telebridge.h"

static _Thread_local char message[512] = "no error";

int error_set(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return -code;
}

const char *tele_error_message(void) { return message; }
