/** What the ways from a received frame to one that can be drawn have in common. */

import type { LaneKind } from "../proto/wire.ts";
import type { DecodedFrame, ReceivedFrame } from "./decoded_frame.ts";
import type { LeaseRegistry } from "./frame_lease.ts";
import type { FramePool } from "./frame_pool.ts";
import type { PixelReader } from "./pixel_reader.ts";

/** One way. Frames come out in the order in which they went in; some may not come out. */
export interface Pipeline {
  readonly lane: LaneKind;
  /** As WebCodecs names it; "jpeg"; "" for raw and before the first keyframe. */
  readonly codec: string;
  /** "hardware", "software" or "". */
  readonly acceleration: string;
  /** Frames that went in and have not come out. */
  readonly framesPending: number;
  /** Takes a frame and owns its bytes from now on. */
  push(frame: ReceivedFrame): void;
  /** Forgets all that is on its way: another stream of frames begins. */
  restart(): void;
  /** It stands still: what is on its way is given up, and the decoder started anew. */
  kick(): void;
  /** To be called about ten times a second, whether or not frames come. */
  tick(nowMs: number): void;
  close(): void;
}

export interface PipelineSink {
  /** The frame's lease is held for the decoder during this call only. */
  onPicture(frame: DecodedFrame): void;
  /** Nothing will become of frames up to this one, beside those that have come out. */
  onDone(frame: number): void;
  /** A frame that cannot be decoded, or a decoder that failed; it goes on with a later frame. */
  onError(message: string): void;
  onKeyframeWanted(): void;
  /** This page turns out not to be able to decode what comes by that lane. */
  onLaneLost(lane: LaneKind): void;
}

/** What the pipelines of one picture share. */
export interface PipelineTools {
  pool: FramePool;
  leases: LeaseRegistry;
  /** null: the renderer draws what the decoder makes. */
  pixels: PixelReader | null;
  counters: PipelineCounters;
  /** The page's clock, ms. */
  nowMs(): number;
}

export interface PipelineCounters {
  /** Frames that came and were not decoded: gated, replaced by a newer one, damaged. */
  framesDropped: number;
  /** Times that a decoder was started anew after it failed or stood still. */
  restarts: number;
  keyframeRequests: number;
}

/** Hands a frame on and lets go of it. */
export function deliver(frame: DecodedFrame, sink: PipelineSink): void {
  try {
    sink.onPicture(frame);
  } finally {
    frame.lease.release("decoder");
  }
}
