/* The sea around the island, and the sky over both. */
#ifndef AGENT_HORIZON_H
#define AGENT_HORIZON_H

#include "mesh.h"

/* Add one of WORLD_WEDGES pieces. */
void horizon_add_sea(mesh *mesh, int wedge);
void horizon_add_sky(mesh *mesh, int wedge);

#endif
