/** One viewer of a stream: what it can decode, and what it wants. */

import type { LaneKind } from "../proto/wire.ts";
import type { FrameBuffer } from "./frame_pool.ts";
import { KeyframeGate } from "./keyframe_gate.ts";
import type { Subscription } from "./subscription.ts";
import type { StreamViewer } from "./video_demand.ts";
import { VideoOutput } from "../ffi/stream.ts";

/** A viewer with a cap is sent what it was not yet due for when nothing newer came for so long after its time. */
const OVERDUE_NS = 100e6;

/** What a stream makes for a lane; 0 for raw frames, which come without it. */
export function outputOf(kind: LaneKind): number {
  if (kind === "raw") return 0;
  return kind === "h264" ? VideoOutput.H264 : VideoOutput.Jpeg;
}

export class VideoViewer implements StreamViewer {
  readonly subscription: Subscription;
  readonly output: number;
  readonly gate = new KeyframeGate();
  /** The newest JPEG came before this viewer's time. */
  #isOwed = false;

  constructor(subscription: Subscription, output: number) {
    this.subscription = subscription;
    this.output = output;
  }

  get settings() {
    return this.subscription.settings;
  }

  get hasRoom(): boolean {
    return this.subscription.hasRoom;
  }

  /** From when on it must be sent a picture that does without those before it; Infinity: it need not be. */
  get keyframeDueNs(): number {
    if (!this.hasRoom) return Infinity;
    if (this.gate.needsKeyframe) return -Infinity;
    return this.#isOwed ? this.subscription.pacer.dueNs + OVERDUE_NS : Infinity;
  }

  /** JPEGs stand for themselves, so that each viewer's own cap holds for them. */
  isDue({ frame }: FrameBuffer, nowNs: number): boolean {
    if (this.output !== VideoOutput.Jpeg || this.gate.needsKeyframe) return true;
    const { pacer } = this.subscription;
    if (frame <= pacer.afterFrame) return false;
    this.#isOwed = nowNs < pacer.dueNs;
    return !this.#isOwed;
  }

  /**
   * A packet of its output is there. Returns whether it is to be sent; `last`: nothing follows, so that acks do not
   * matter.
   */
  offer(packet: FrameBuffer, keyframe: boolean, last: boolean): boolean {
    const { meter, reachable, hasRoom } = this.subscription;
    const room = last ? reachable : hasRoom;
    meter.offered(room);
    return this.gate.offer(packet.packet, keyframe, room);
  }
}
