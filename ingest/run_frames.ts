/** Pictures of one run that come by gRPC: published, and what viewers say to their worker taken back out. */

import * as grpc from "@grpc/grpc-js";
import type { ProducerFrame } from "../ffi/producer.ts";
import {
  type Frame,
  type Hud,
  type Overlay,
  PixelFormat,
} from "../proto/gen/telebridge/v1/publish_pb.ts";
import type { ControlSession } from "./control_session.ts";
import { checkFrame } from "./frame_check.ts";
import { GrpcError } from "./grpc_service.ts";
import type { RemoteSegment } from "./remote_segment.ts";

/** A keyframe that did not come by then is asked for again. */
const KEYFRAME_AGAIN_NS = 1_000_000_000n;

export interface RunFramesOptions {
  segment: RemoteSegment;
  /** CLOCK_MONOTONIC. */
  clockNs: () => bigint;
}

export class RunFrames implements Disposable {
  readonly segment: RemoteSegment;
  readonly #clockNs: () => bigint;
  #lastNumber = 0n;
  /** Access units were lost, or none have come yet: none counts before the next keyframe. */
  #chainBroken = true;
  #keyframeAskedNs: bigint | null = null;
  #keyframeRequests = 0n;
  /** As last read of the ring, whose count begins anew with each ring. */
  #ringKeyframeRequests = 0;
  #pausedShown = false;
  #takenNs = 0n;

  constructor(options: RunFramesOptions) {
    this.segment = options.segment;
    this.#clockNs = options.clockNs;
  }

  /** CLOCK_MONOTONIC of the last frame; 0 = none yet. */
  get takenNs(): bigint {
    return this.#takenNs;
  }

  /** Number of the last frame. */
  get taken(): bigint {
    return this.#lastNumber;
  }

  /** Another call begins: the client counts on, and its chain begins with a keyframe. */
  restart(): void {
    this.#lastNumber = 0n;
    this.#chainBroken = true;
  }

  /**
   * Publishes a frame; an access unit that nobody can decode is passed over. `offsetNs` is our clock less the worker's;
   * null: not known. Throws {@link GrpcError} for a frame that makes no sense.
   */
  take(frame: Frame, offsetNs: bigint | null): void {
    const frameBytes = checkFrame(frame);
    const gap = frame.number !== this.#lastNumber + 1n;
    if (frame.number <= this.#lastNumber) {
      throw new GrpcError(
        grpc.status.INVALID_ARGUMENT,
        `frame ${frame.number} came after frame ${this.#lastNumber}`,
      );
    }
    this.#lastNumber = frame.number;
    this.#takenNs = this.#clockNs();
    if (frame.hud !== undefined) this.segment.setHud(hudOf(frame.hud));
    if (frame.format === PixelFormat.H264) {
      if (gap || this.segment.outgrown(frameBytes)) this.#chainBroken = true;
      if (frame.keyframe) this.#chainBroken = false;
      if (this.#chainBroken) return this.#askKeyframe();
      this.#keyframeAskedNs = null;
    }
    const outgrown = this.segment.outgrown(frameBytes);
    this.segment.publish(producerFrame(frame, this.#captureNs(frame, offsetNs)), frameBytes);
    if (outgrown) this.#ringKeyframeRequests = 0;
  }

  /** By our clock; never in the future, which a wrong estimate or a liar could tell. 0 = now. */
  #captureNs({ timeMonoNs }: Frame, offsetNs: bigint | null): bigint {
    if (offsetNs === null || timeMonoNs === 0n) return 0n;
    const captureNs = timeMonoNs + offsetNs;
    return captureNs > 0n && captureNs < this.#takenNs ? captureNs : this.#takenNs;
  }

  #askKeyframe(): void {
    const askedNs = this.#keyframeAskedNs;
    if (askedNs !== null && this.#takenNs - askedNs < KEYFRAME_AGAIN_NS) return;
    this.#keyframeAskedNs = this.#takenNs;
    this.#keyframeRequests++;
  }

  /** Tells the worker what viewers ask for now. */
  forward(session: ControlSession): void {
    const { pauseRequested, rateMaxMhz, keyframeRequests } = this.segment.controls();
    const requests = (keyframeRequests - this.#ringKeyframeRequests) >>> 0;
    this.#ringKeyframeRequests = keyframeRequests;
    this.#keyframeRequests += BigInt(requests);
    session.steer({
      pause: pauseRequested,
      rateMaxMhz,
      keyframeRequests: this.#keyframeRequests,
    });
    const inputs = this.segment.takeInputs((tNs) => session.toWorkerNs(tNs));
    if (inputs !== null) session.sendInputs(inputs);
    if (session.paused || this.#pausedShown) {
      this.segment.showPaused();
      this.#pausedShown = session.paused;
    }
  }

  [Symbol.dispose](): void {
    this.segment[Symbol.dispose]();
  }
}

function producerFrame(frame: Frame, tMonoNs: bigint): ProducerFrame {
  const { width, height, format, stride, keyframe, step, episode, reward, overlay } = frame;
  return {
    // The decoder's views are of memory of our own, never shared.
    pixels: frame.payload as Uint8Array<ArrayBuffer>,
    width,
    height,
    format,
    stride,
    keyframe,
    step,
    episode,
    reward,
    tMonoNs,
    ...(overlay === undefined ? {} : { overlay: overlayOf(overlay) }),
  };
}

function overlayOf({ width, height, heat }: Overlay): NonNullable<ProducerFrame["overlay"]> {
  return { width, height, heat: heat as Uint8Array<ArrayBuffer> };
}

function hudOf(hud: Hud) {
  return { ...hud, episode: Number(hud.episode), step: Number(hud.step) };
}
