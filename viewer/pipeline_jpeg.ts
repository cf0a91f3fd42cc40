/**
 * JPEG pictures, for pages without WebCodecs: any of them can be decoded by itself. One is decoded at a time; of those
 * that come meanwhile the newest waits, or, where every frame counts, all of the server's few.
 */

import {
  type DecodedFrame,
  giveOverlayBack,
  keepOverlay,
  payloadOf,
  type ReceivedFrame,
} from "./decoded_frame.ts";
import { FrameLease } from "./frame_lease.ts";
import { deliver, type Pipeline, type PipelineSink, type PipelineTools } from "./pipeline.ts";

/** Frames that wait when every one counts, at most; beyond that the oldest is dropped. The server sends six. */
const WAITING_MAX = 8;

/** createImageBitmap of the browser, or a double of it. */
export type DecodeBitmap = (jpeg: Blob) => Promise<ImageBitmap>;

/** Pixels as they are in the file: colours are the display's business, as those of raw pictures. */
export const decodeBitmap: DecodeBitmap = (jpeg) =>
  createImageBitmap(jpeg, { colorSpaceConversion: "none" });

export class JpegPipeline implements Pipeline {
  readonly lane = "jpeg";
  readonly codec = "jpeg";
  readonly acceleration = "";
  readonly #tools: PipelineTools;
  readonly #sink: PipelineSink;
  readonly #decodeBitmap: DecodeBitmap;
  readonly #newestWins: () => boolean;
  readonly #waiting: ReceivedFrame[] = [];
  #decoding = false;
  /** Changes when what is being decoded is abandoned. */
  #generation = 0;

  constructor(
    tools: PipelineTools,
    sink: PipelineSink,
    decodeBitmap: DecodeBitmap,
    newestWins: () => boolean,
  ) {
    this.#tools = tools;
    this.#sink = sink;
    this.#decodeBitmap = decodeBitmap;
    this.#newestWins = newestWins;
  }

  get framesPending(): number {
    return this.#waiting.length + (this.#decoding ? 1 : 0);
  }

  push(frame: ReceivedFrame): void {
    const waitingMax = this.#newestWins() ? 1 : WAITING_MAX;
    while (this.#waiting.length >= waitingMax) this.#drop(this.#waiting.shift()!);
    this.#waiting.push(frame);
    if (!this.#decoding) this.#decodeWaiting();
  }

  restart(): void {
    this.#abandon();
    for (const frame of this.#waiting.splice(0)) this.#drop(frame);
  }

  kick(): void {
    if (!this.#decoding) return;
    this.#tools.counters.restarts++;
    this.#abandon();
    this.#decodeWaiting();
  }

  tick(): void {}

  close(): void {
    this.restart();
  }

  /** What is being decoded is not wanted any more, whenever it comes out. */
  #abandon(): void {
    this.#generation++;
    this.#decoding = false;
  }

  async #decodeWaiting(): Promise<void> {
    const generation = this.#generation;
    for (let frame = this.#waiting.shift(); frame !== undefined; frame = this.#waiting.shift()) {
      this.#decoding = true;
      const decoded = await this.#decode(frame);
      if (generation !== this.#generation) return decoded?.lease.release("decoder");
      this.#decoding = false;
      if (decoded !== null) deliver(decoded, this.#sink);
      else {
        this.#tools.counters.framesDropped++;
        this.#sink.onDone(frame.header.frame);
      }
    }
  }

  /** null for a picture that cannot be decoded. */
  async #decode(frame: ReceivedFrame): Promise<DecodedFrame | null> {
    const { header, receivedAtMs } = frame;
    const { pool, leases, nowMs } = this.#tools;
    let overlay: Uint8Array<ArrayBuffer> | null = null;
    try {
      overlay = keepOverlay(frame, pool);
      const decoding = this.#decodeBitmap(new Blob([payloadOf(frame)], { type: "image/jpeg" }));
      // The blob is a copy.
      pool.give(frame.bytes.buffer);
      const image = await decoding;
      const kept = overlay;
      const lease = new FrameLease(leases, "decoder", () => {
        image.close();
        giveOverlayBack(kept, pool);
      });
      const picture = { kind: "bitmap", image } as const;
      return { header, picture, overlay, receivedAtMs, decodedAtMs: nowMs(), lease };
    } catch (error) {
      if (overlay === null) pool.give(frame.bytes.buffer);
      else giveOverlayBack(overlay, pool);
      this.#sink.onError(`frame ${header.frame} is damaged: ${(error as Error).message}`);
      return null;
    }
  }

  #drop(frame: ReceivedFrame): void {
    this.#tools.counters.framesDropped++;
    this.#tools.pool.give(frame.bytes.buffer);
  }
}
