/* The suites, in the order in which they run. */
#include "harness.h"

extern const suite layout, paths, publish, torn, owner, hostile, control, hub, jpeg, stream, driverless, nvenc,
    nvenc_double, threads, vector;

const suite *const suites[] = {&layout, &vector, &paths,  &publish,    &torn,  &owner,        &hostile, &control,
                               &hub,    &jpeg,   &stream, &driverless, &nvenc, &nvenc_double, &threads, NULL};
