/* telebridge_agent: an executable of its own, since an agent needs no Deno and starts in milliseconds without. */
#include "telebridge.h"

int main(int argc, char **argv) { return tele_agent_main(argc, argv); }
