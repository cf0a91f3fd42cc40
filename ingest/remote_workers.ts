/** Workers and their control streams, and pictures of those on other machines: put together. */

import * as grpc from "@grpc/grpc-js";
import type { IngestContext } from "./context.ts";
import { ControlHub } from "./control_hub.ts";
import { GrpcError } from "./grpc_service.ts";
import { RemoteFrames } from "./remote_frames.ts";
import { readBootId, RingSight } from "./ring_sight.ts";

const SECOND_MS = 1_000;

export interface RemoteWorkers {
  hub: ControlHub;
  frames: RemoteFrames;
}

export function startRemoteWorkers(context: IngestContext): RemoteWorkers {
  const { feed, metrics } = context;
  const bootId = readBootId();
  const library = () => context.library();
  const hub = new ControlHub({
    makeSight: (runId) => new RingSight(runId, bootId, library),
    onWorkers: (workers) => feed.send({ type: "workers", workers }),
  });
  const framesCount = metrics.counter("grpc_frames", "Frames that came by gRPC.");
  const bytesCount = metrics.counter("grpc_frame_bytes", "Bytes of frames that came by gRPC.");
  const frames = new RemoteFrames({
    library,
    hub,
    onFrame: (bytes) => {
      framesCount.add(1);
      bytesCount.add(bytes);
    },
  });
  metrics.gauge(
    "grpc_segments",
    "Segments of runs whose frames come by gRPC.",
    () => frames.segmentsCount,
  );
  metrics.gauge("grpc_segment_bytes", "Shared memory of these segments.", () => frames.bytes);

  feed.on("watch", ({ runIds }) => hub.setWatched(runIds));
  feed.on("route", ({ runId, prefer }) => hub.prefer(runId, prefer));
  feed.on("command", ({ id, runId, name, argsJson }) => {
    hub.command(runId, name, argsJson, (ok, resultJson) => {
      feed.send({ type: "command-reply", id, ok, resultJson });
    });
  });
  feed.on("stop", () => {
    const stopping = new GrpcError(grpc.status.UNAVAILABLE, "the server is stopping");
    frames.failAll(stopping);
    hub.failAll(stopping);
  });
  const timer = setInterval(() => hub.onSecond(), SECOND_MS);
  context.onStop(() => {
    clearInterval(timer);
    frames[Symbol.dispose]();
  });
  // Where `serve` is gone without a word the process ends at once: its segments go with it all the same.
  addEventListener("unload", () => frames[Symbol.dispose]());
  return { hub, frames };
}
