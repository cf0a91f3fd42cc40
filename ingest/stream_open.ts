/** What every client says first: its run and its stream. */

import * as grpc from "@grpc/grpc-js";
import { RUN_ID_PATTERN } from "../core/messages.ts";
import { routeOfSegment, VIA_GRPC_SUFFIX } from "../core/picture_route.ts";
import type { StreamKey } from "../core/storage/records.ts";
import { GrpcError } from "./grpc_service.ts";

const STREAM_ID_BYTES = 16;

/** Returns it, or throws INVALID_ARGUMENT. */
export function checkRunId(runId: string): string {
  if (RUN_ID_PATTERN.test(runId) && routeOfSegment(runId) !== "grpc") return runId;
  throw new GrpcError(
    grpc.status.INVALID_ARGUMENT,
    `the run's id is ${
      JSON.stringify(runId.slice(0, 100))
    }; expected 1 to 64 of A-Z a-z 0-9 . _ - ` +
      `with a letter or digit first, and not ending in "${VIA_GRPC_SUFFIX}"`,
  );
}

/** Throws INVALID_ARGUMENT. */
export function checkStream(runId: string, streamId: Uint8Array): void {
  checkRunId(runId);
  if (streamId.byteLength === STREAM_ID_BYTES) return;
  throw new GrpcError(
    grpc.status.INVALID_ARGUMENT,
    `the stream's id has ${streamId.byteLength} bytes, expected ${STREAM_ID_BYTES}`,
  );
}

/** As the store names it. Throws INVALID_ARGUMENT. */
export function streamKey(runId: string, streamId: Uint8Array): StreamKey {
  checkStream(runId, streamId);
  return { runId, streamId: streamId.toHex() };
}
