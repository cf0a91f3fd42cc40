/** All runs whose pictures come by gRPC: their segments, how long those stay, and what goes back to their workers. */

import * as grpc from "@grpc/grpc-js";
import type { Library } from "../ffi/library.ts";
import type { Frame } from "../proto/gen/telebridge/v1/publish_pb.ts";
import type { ControlHub, RemotePictures } from "./control_hub.ts";
import { GrpcError } from "./grpc_service.ts";
import { RemoteSegment } from "./remote_segment.ts";
import { RunFrames } from "./run_frames.ts";

/** Shared memory of all segments together; who would need more is refused. */
const SEGMENTS_BYTES_MAX = 1024 * 1024 * 1024;
/** How late a viewer's pause, key or pointer reaches the worker by this process; less would cost timers for nothing. */
const FORWARD_MS = 10;
/** Frames came so lately: there is somebody to hear what viewers say. */
const LIVELY_NS = 1_000_000_000n;
/** A worker that lost its connection is given so long to come back before its segment goes. */
const GRACE_MS = 5_000;

/** One open call. Dispose it when the call is over. */
export interface RemoteStream extends Disposable {
  take(frame: Frame): void;
  /** Number of the last frame. */
  readonly taken: bigint;
  readonly segment: string;
}

interface Source {
  runId: string;
  streamId: string;
  frames: RunFrames;
  /** Ends the call that is open; null: none is. */
  endCall: ((error: GrpcError) => void) | null;
  /** Since when nobody needs the segment; null: somebody does. */
  idleSinceMs: number | null;
}

export interface RemoteFramesOptions {
  library: () => Library;
  hub: ControlHub;
  /** For the metrics. */
  onFrame: (bytes: number) => void;
}

export class RemoteFrames implements RemotePictures, Disposable {
  readonly #options: RemoteFramesOptions;
  readonly #sources = new Map<string, Source>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: RemoteFramesOptions) {
    this.#options = options;
    options.hub.pictures = this;
  }

  segmentOf(runId: string, streamId: string): string | null {
    const source = this.#sources.get(runId);
    return source?.streamId === streamId ? source.frames.segment.name : null;
  }

  /** A call begins. `end` is called when another one of the same client takes its place. */
  open(runId: string, streamId: string, end: (error: GrpcError) => void): RemoteStream {
    const { hub } = this.#options;
    const source = this.#sourceFor(runId, streamId);
    source.endCall?.(
      new GrpcError(grpc.status.ABORTED, "the same client publishes by another call"),
    );
    source.endCall = end;
    source.idleSinceMs = null;
    source.frames.restart();
    return {
      take: (frame) => {
        source.frames.take(frame, hub.session(runId, streamId)?.offsetNs ?? null);
        this.#options.onFrame(frame.payload.byteLength);
        this.#startTimer();
      },
      get taken() {
        return source.frames.taken;
      },
      segment: source.frames.segment.name,
      [Symbol.dispose]: () => {
        if (source.endCall !== end) return;
        source.endCall = null;
        this.review();
      },
    };
  }

  /** A run's pictures come from one client; one that has left makes room. */
  #sourceFor(runId: string, streamId: string): Source {
    const found = this.#sources.get(runId);
    if (found?.streamId === streamId) return found;
    if (found !== undefined) {
      if (found.endCall !== null) {
        throw new GrpcError(
          grpc.status.ALREADY_EXISTS,
          `pictures of run "${runId}" come from another client already`,
        );
      }
      this.#remove(found);
    }
    const { library } = this.#options;
    const segment = new RemoteSegment({
      library: library(),
      runId,
      bytesFree: () => SEGMENTS_BYTES_MAX - this.bytes,
    });
    const frames = new RunFrames({ segment, clockNs: () => library().clockMonoNs() });
    const source = { runId, streamId, frames, endCall: null, idleSinceMs: null };
    this.#sources.set(runId, source);
    return source;
  }

  /** Ends every call. */
  failAll(error: GrpcError): void {
    for (const source of [...this.#sources.values()]) source.endCall?.(error);
  }

  /** Shared memory of all segments. */
  get bytes(): number {
    return this.#sources.values().reduce((sum, { frames }) => sum + frames.segment.bytes, 0);
  }

  get segmentsCount(): number {
    return this.#sources.size;
  }

  /** Called by the hub; see {@link RemotePictures}. Segments that nobody needs go after a while. */
  review(): void {
    const nowMs = performance.now();
    for (const source of [...this.#sources.values()]) {
      if (this.#isNeeded(source)) {
        source.idleSinceMs = null;
        continue;
      }
      source.idleSinceMs ??= nowMs;
      if (nowMs - source.idleSinceMs >= GRACE_MS) this.#remove(source);
    }
    this.#startTimer();
    this.#forwardAll();
  }

  /** A worker elsewhere keeps its last picture here; one whose ring is seen needs none. */
  #isNeeded({ runId, streamId, endCall }: Source): boolean {
    return endCall !== null || this.#options.hub.isRemote(runId, streamId);
  }

  #remove(source: Source): void {
    this.#sources.delete(source.runId);
    source.frames[Symbol.dispose]();
    this.#options.hub.session(source.runId, source.streamId)?.release();
  }

  #isLively({ runId, frames }: Source, nowNs: bigint): boolean {
    return this.#options.hub.isWatched(runId) || nowNs - frames.takenNs < LIVELY_NS;
  }

  #anyLively(): boolean {
    if (this.#sources.size === 0) return false;
    const nowNs = this.#options.library().clockMonoNs();
    return this.#sources.values().some((source) => this.#isLively(source, nowNs));
  }

  #startTimer(): void {
    if (this.#timer !== undefined || !this.#anyLively()) return;
    this.#timer = setInterval(() => {
      this.#forwardAll();
      if (!this.#anyLively()) this.#stopTimer();
    }, FORWARD_MS);
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #forwardAll(): void {
    for (const { runId, streamId, frames } of this.#sources.values()) {
      const session = this.#options.hub.session(runId, streamId);
      if (session !== null) frames.forward(session);
    }
  }

  [Symbol.dispose](): void {
    this.#stopTimer();
    for (const source of [...this.#sources.values()]) this.#remove(source);
  }
}
