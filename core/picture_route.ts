/**
 * The two ways in which a run's pictures come: by its worker's own ring, or by gRPC, and then through a segment that the
 * ingest process publishes for the worker (docs/architecture.md, "Workers on other machines"). The latter is no run of its
 * own: it has the run's name and a suffix, which no run may have.
 */

import type { RoutePreference } from "./durable/feed.ts";

export type PictureRoute = "ring" | "grpc";

export const VIA_GRPC_SUFFIX = ".via-grpc";
/** Of a segment's name, as of a run's. */
const NAME_CHARS_MAX = 64;

/** The run that a segment of this name belongs to. */
export function runIdOf(segment: string): string {
  return routeOfSegment(segment) === "grpc" ? segment.slice(0, -VIA_GRPC_SUFFIX.length) : segment;
}

export function routeOfSegment(segment: string): PictureRoute {
  const suffixed = segment.endsWith(VIA_GRPC_SUFFIX) && segment.length > VIA_GRPC_SUFFIX.length;
  return suffixed ? "grpc" : "ring";
}

/**
 * The segment for pictures of this run that come by gRPC. Where the name has no room for the suffix it is the run's own:
 * the worker's ring is then on another machine, or there are no pictures by gRPC.
 */
export function segmentViaGrpc(runId: string): string {
  const segment = runId + VIA_GRPC_SUFFIX;
  return segment.length <= NAME_CHARS_MAX ? segment : runId;
}

/**
 * Whether two segments of one run show the same worker: one is its ring, and the other was made after it, for its pictures
 * by gRPC. A ring that is younger is that of another worker, which was started anew under the run's name.
 */
export function areOfOneWorker(
  a: { runId: string; epochNs: bigint },
  b: { runId: string; epochNs: bigint },
): boolean {
  if (routeOfSegment(a.runId) === routeOfSegment(b.runId)) return false;
  const [ring, grpc] = routeOfSegment(a.runId) === "ring" ? [a, b] : [b, a];
  return ring.epochNs <= grpc.epochNs;
}

/** What {@link chooseRoute} looks at. */
export interface RouteSource {
  /** null: it has ended. */
  readonly reader: unknown;
  readonly endedAtMs: number | undefined;
}

/** Which of a run's segments is watched: a preference is for one that is there; the ring costs no encoding twice. */
export function chooseRoute<Source extends RouteSource>(
  ring: Source | null,
  grpc: Source | null,
  prefer: RoutePreference,
): Source | null {
  if (ring === null || grpc === null) return ring ?? grpc;
  if ((ring.reader === null) !== (grpc.reader === null)) return ring.reader === null ? grpc : ring;
  if (ring.reader !== null) return prefer === "grpc" ? grpc : ring;
  return (ring.endedAtMs ?? 0) >= (grpc.endedAtMs ?? 0) ? ring : grpc;
}
