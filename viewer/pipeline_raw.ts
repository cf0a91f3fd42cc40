/** Raw pictures: nothing to decode, so a frame comes out while it goes in. */

import type { FrameHeader } from "../proto/wire.ts";
import { overlayOf, payloadOf, type ReceivedFrame } from "./decoded_frame.ts";
import { FrameLease } from "./frame_lease.ts";
import { deliver, type Pipeline, type PipelineSink, type PipelineTools } from "./pipeline.ts";
import { pictureBytes } from "./pixels.ts";

export class RawPipeline implements Pipeline {
  readonly lane = "raw";
  readonly codec = "";
  readonly acceleration = "";
  readonly framesPending = 0;
  readonly #tools: PipelineTools;
  readonly #sink: PipelineSink;

  constructor(tools: PipelineTools, sink: PipelineSink) {
    this.#tools = tools;
    this.#sink = sink;
  }

  push(frame: ReceivedFrame): void {
    const { header, receivedAtMs } = frame;
    const { pool, leases, counters } = this.#tools;
    let overlay: Uint8Array<ArrayBuffer>;
    try {
      checkGeometry(header);
      overlay = overlayOf(frame);
    } catch (error) {
      pool.give(frame.bytes.buffer);
      counters.framesDropped++;
      this.#sink.onError((error as Error).message);
      return this.#sink.onDone(header.frame);
    }
    const picture = { kind: "raw", payload: payloadOf(frame) } as const;
    const lease = new FrameLease(leases, "decoder", () => pool.give(frame.bytes.buffer));
    deliver({ header, picture, overlay, receivedAtMs, decodedAtMs: null, lease }, this.#sink);
  }

  restart(): void {}

  kick(): void {}

  tick(): void {}

  close(): void {}
}

/** Bounds the picture against the payload. */
function checkGeometry(header: FrameHeader): void {
  const { width, height, stride, frame, payloadBytes } = header;
  const neededBytes = pictureBytes(header);
  if (width === 0 || height === 0 || neededBytes > payloadBytes) {
    throw new Error(
      `frame ${frame} is damaged: ${width} × ${height} with rows of ${stride} bytes need ${neededBytes} bytes, ` +
        `it has ${payloadBytes}`,
    );
  }
}
