/** One segment's life: found, live, ended. The same name may come again as another run. */

import { errnoName } from "../ffi/errors.ts";
import { Owner, type PictureShape, type RingReader, RunFlag } from "../ffi/reader.ts";
import { decodeHud, type RunPhase, type RunSummary } from "../proto/wire.ts";
import { type PictureRoute, routeOfSegment, runIdOf } from "./picture_route.ts";

/** A run without a new frame for so long is idle. */
const LIVE_MS = 2_000;
/**
 * A segment without its name, or whose name leads elsewhere, is given up after so long. Not at once: another server
 * that removes a dead worker's segment holds the worker's lock for a moment, and so makes it look alive.
 */
const NAME_GONE_MS = 500;
const NS_PER_MS = 1_000_000n;

export class Run {
  readonly id: string;
  /** Name of its segment. */
  readonly segment: string;
  /** How its pictures come. */
  readonly route: PictureRoute;
  readonly pid: number;
  /** CLOCK_REALTIME at the segment's creation, ns; 0 when its header could not be read. */
  readonly epochNs: bigint;
  /** null: ended, or never readable. */
  reader: RingReader | null;
  /** Why it ended or failed. */
  reason: string | undefined;
  failed = false;
  endedAtMs: number | undefined;
  #frames: number;
  #framesPerSecond = 0;
  #tickAtMs: number;
  #frameSeenAtMs = -Infinity;
  #nameGoneAtMs: number | null = null;
  #shape: PictureShape | null = null;

  private constructor(segment: string, reader: RingReader | null, nowMs: number) {
    this.id = runIdOf(segment);
    this.segment = segment;
    this.route = routeOfSegment(segment);
    this.reader = reader;
    this.epochNs = reader?.epochNs ?? 0n;
    this.pid = reader?.status.producerPid ?? 0;
    this.#frames = reader?.status.head ?? 0;
    this.#tickAtMs = nowMs;
  }

  static live(reader: RingReader, nowMs: number): Run {
    return new Run(reader.runId, reader, nowMs);
  }

  /** A segment that cannot be attached. */
  static unreadable(segment: string, reason: string, nowMs: number): Run {
    const run = new Run(segment, null, nowMs);
    run.failed = true;
    run.reason = reason;
    return run;
  }

  /** Once a second: reads the status and counts. Throws when the segment was truncated. */
  tick(nowMs: number): void {
    const { head, replaced } = this.reader!.readStatus();
    this.#nameGoneAtMs = replaced ? this.#nameGoneAtMs ?? nowMs : null;
    const seconds = (nowMs - this.#tickAtMs) / 1000;
    if (seconds > 0) this.#framesPerSecond = (head - this.#frames) / seconds;
    if (head > this.#frames) this.#frameSeenAtMs = nowMs;
    this.#frames = head;
    this.#tickAtMs = nowMs;
  }

  /** Why the run is over, by its last status; null while it goes on. */
  get end(): string | null {
    const { owner, flags, producerPid } = this.reader!.status;
    if (owner === Owner.Closed || (flags & RunFlag.Closed) !== 0) return "finished";
    if (owner === Owner.Dead) return `the worker died (process ${producerPid})`;
    const goneMs = this.#nameGoneAtMs === null ? 0 : this.#tickAtMs - this.#nameGoneAtMs;
    return goneMs >= NAME_GONE_MS ? "its segment was removed" : null;
  }

  /** The reader is the caller's to close. */
  finish(reason: string, failed: boolean, nowMs: number): void {
    this.reader = null;
    this.reason = reason;
    this.failed = failed;
    this.endedAtMs = nowMs;
    this.#framesPerSecond = 0;
  }

  /** Published in the last second. */
  get framesPerSecond(): number {
    return Math.round(this.#framesPerSecond * 10) / 10;
  }

  phase(nowMs: number): RunPhase {
    if (this.failed) return "error";
    if (this.reader === null) return "ended";
    if ((this.reader.status.flags & RunFlag.Paused) !== 0) return "paused";
    return nowMs - this.#frameSeenAtMs < LIVE_MS ? "live" : "idle";
  }

  /** A row of the runs page. Throws when the ring lies or was truncated. */
  summary(viewers: number, nowMs: number): RunSummary {
    const summary: RunSummary = {
      id: this.id,
      phase: this.phase(nowMs),
      pid: this.pid,
      startedAtMs: Number(this.epochNs / NS_PER_MS),
      frames: this.#frames,
      framesPerSecond: this.framesPerSecond,
      viewers,
    };
    if (this.reason !== undefined) summary.reason = this.reason;
    if (this.endedAtMs !== undefined) summary.endedAtMs = this.endedAtMs;
    if (this.reader !== null) {
      this.#shape = this.reader.readShape() ?? this.#shape;
      if (this.reader.readHud()) summary.hud = decodeHud(this.reader.hud);
    }
    return Object.assign(summary, this.#shape);
  }
}

/** What an errno of the hub's fault event means for the run. */
export function faultReason(errno: number): string {
  const name = errnoName(errno);
  return name === "EFAULT" ? "its segment was truncated" : `its segment is damaged (${name})`;
}
