/* tele_exec(): how `telebridge agent` becomes the agent, so that no Deno waits beside it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "telebridge.h"

int tele_exec(const char *words, size_t words_bytes) {
  if (words_bytes == 0 || words[words_bytes - 1] != '\0') {
    return error_set(EINVAL, "cannot start a command: its words do not end in a zero");
  }
  size_t words_count = 0;
  for (size_t i = 0; i < words_bytes; i++) words_count += words[i] == '\0';
  char **arguments = calloc(words_count + 1, sizeof *arguments);
  if (arguments == NULL) return error_set(ENOMEM, "cannot start %s: no memory", words);
  const char *word = words;
  for (size_t i = 0; i < words_count; i++) {
    arguments[i] = (char *)word; /* execv() only reads them */
    word += strlen(word) + 1;
  }
  /* Deno ignores it, and what is ignored stays so in the new program. */
  void (*before)(int) = signal(SIGPIPE, SIG_DFL);
  sigset_t none, mask;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, &mask);
  execv(arguments[0], arguments);
  const int code = errno;
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  signal(SIGPIPE, before);
  free(arguments);
  return error_set(code, "cannot start %s: %s", words, strerror(code));
}
