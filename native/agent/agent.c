/* tele_agent_main(): the command line, and then either the agent's own picture or somebody else's. */
#include <stdio.h>

#include "options.h"
#include "telebridge.h"

int tele_agent_main(int argc, char **argv) {
  agent_options options;
  const int status = agent_options_parse(argc, argv, &options);
  if (status >= 0) return status;
  fputs(AGENT_NAME ": cannot render in this version\n", stderr);
  return 1;
}
