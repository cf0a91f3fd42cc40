#include "error.h"

#include <stdarg.h>
#include <stdio.h>

#include "telebridge.h"

static _Thread_local error_text message = {"no error"};

int error_set(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message.text, sizeof message.text, format, arguments);
  va_end(arguments);
  return -code;
}

error_text error_save(void) { return message; }

void error_restore(const error_text *saved) { message = *saved; }

const char *tele_error_message(void) { return message.text; }
