/** One viewer of a stream: what it can decode, and what it wants. */

import type { LaneKind } from "../proto/wire.ts";
import type { FrameBuffer } from "./frame_pool.ts";
import { KeyframeGate } from "./keyframe_gate.ts";
import type { Subscription } from "./subscription.ts";
import type { StreamViewer } from "./video_demand.ts";
import { VideoOutput } from "../ffi/stream.ts";

/** What a stream makes for a lane; 0 for raw frames, which come without it. */
export function outputOf(kind: LaneKind): number {
  if (kind === "raw") return 0;
  return kind === "h264" ? VideoOutput.H264 : VideoOutput.Jpeg;
}

export class VideoViewer implements StreamViewer {
  readonly subscription: Subscription;
  readonly output: number;
  readonly gate = new KeyframeGate();

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

  /** It has room, and its picture cannot go on without a keyframe. */
  get wantsKeyframe(): boolean {
    return this.gate.needsKeyframe && this.hasRoom;
  }

  /** JPEGs stand for themselves, so that each viewer's own cap holds for them. */
  isDue({ frame }: FrameBuffer, nowNs: number): boolean {
    if (this.output !== VideoOutput.Jpeg || this.gate.needsKeyframe) return true;
    const { pacer } = this.subscription;
    return frame > pacer.afterFrame && nowNs >= pacer.dueNs;
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
