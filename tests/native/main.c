/* The suites, in the order in which they run. */
#include "harness.h"

extern const suite layout, vector, paths, publish, torn, owner, hostile, control, hub, jpeg, convert, encoders,
    candidates, probe, probe_double, decoding, sampling, stream, stream_units, stream_life, driverless, nvenc,
    nvenc_double, gpu_textures, gpu_pictures, gpu_publishing, threads, threads_streams, launcher, ts_mux, annexb,
    picture_stats, agent_parts, keeper, transport, render, gl_publish, gpu_gl_publish;

const suite *const suites[] = {
    &layout,       &vector,       &paths,          &publish,       &torn,           &owner,       &hostile,
    &control,      &hub,          &jpeg,           &convert,       &encoders,       &candidates,  &probe,
    &probe_double, &decoding,     &sampling,       &stream,        &stream_units,   &stream_life, &driverless,
    &nvenc,        &nvenc_double, &gpu_textures,   &gpu_pictures,  &gpu_publishing, &threads,     &threads_streams,
    &launcher,     &ts_mux,       &annexb,         &picture_stats, &agent_parts,    &keeper,      &transport,
    &render,       &gl_publish,   &gpu_gl_publish, NULL,
};
