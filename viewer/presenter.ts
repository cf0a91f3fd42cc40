/**
 * Decides which frame is drawn, and draws it.
 *
 * Live (the default): the newest wins. A frame that finds the worker idle is drawn at once. One that comes right behind
 * a draw may have a newer one behind it: it waits for the end of the tasks that are already due, and is replaced when a
 * newer one is among them; so at most one frame ever waits. Not live: every frame, in order, as it comes; the server
 * keeps few on their way.
 */

import {
  decodeFrameHeader,
  FRAME_PAYLOAD_OFFSET,
  type FrameHeader,
  HEAD_BYTES,
} from "../proto/wire.ts";
import type { FramePool } from "./frame_pool.ts";
import { pictureBytes } from "./pixels.ts";
import type { OverlaySettings, Renderer } from "./renderer.ts";

/** A frame that comes sooner after a draw than this was already there while it went on. */
const BEHIND_MS = 1;

/** A frame message in memory of its own. */
export interface ReceivedFrame {
  bytes: Uint8Array<ArrayBuffer>;
  header: FrameHeader;
  receivedAtMs: number;
}

export interface PresenterOptions {
  /** The page's clock, ms. */
  nowMs(): number;
  pool: FramePool;
  /** A new frame was drawn. */
  onDrawn(frame: ReceivedFrame, drawnAtMs: number): void;
  /** Nothing more will become of this frame or an older one: the server may send the next. */
  onDone(frame: number): void;
  /** A frame that cannot be drawn; the next one may. */
  onError(message: string): void;
}

export class Presenter {
  readonly #options: PresenterOptions;
  readonly #turn = new MessageChannel();
  #renderer: Renderer;
  #waiting: ReceivedFrame | null = null;
  #shown: ReceivedFrame | null = null;
  #drawEndedAtMs = -Infinity;
  overlay: OverlaySettings = { visible: true, opacity: 0.5 };
  stayLive = true;
  framesReceived = 0;
  framesShown = 0;
  /** Frames that came and were replaced before they were drawn. */
  framesReplaced = 0;

  constructor(renderer: Renderer, options: PresenterOptions) {
    this.#renderer = renderer;
    this.#options = options;
    this.#turn.port1.onmessage = () => this.#drawWaiting();
  }

  /** Takes a frame message and owns it from now on. */
  receive(bytes: Uint8Array<ArrayBuffer>, receivedAtMs: number): void {
    const header = decodeFrameHeader(bytes.subarray(HEAD_BYTES));
    this.framesReceived++;
    const turnIsDue = this.#waiting !== null;
    if (this.#waiting !== null) {
      this.framesReplaced++;
      this.#giveBack(this.#waiting);
    }
    this.#waiting = { bytes, header, receivedAtMs };
    const behind = this.#options.nowMs() - this.#drawEndedAtMs < BEHIND_MS;
    if (!this.stayLive || !(behind || turnIsDue)) this.#drawWaiting();
    else if (!turnIsDue) this.#turn.port2.postMessage(null);
  }

  /** The frame on the screen. */
  get shown(): ReceivedFrame | null {
    return this.#shown;
  }

  /** Draws the shown frame again: a setting changed, or the graphics context is back. */
  redraw(overlay: OverlaySettings = this.overlay): void {
    if (this.#shown !== null) this.#draw(this.#shown, overlay);
  }

  /** Pixels of the shown frame as the renderer draws it, with or without its overlay. */
  readShown(withOverlay: boolean): { rgba: Uint8Array<ArrayBuffer>; header: FrameHeader } | null {
    if (this.#shown === null) return null;
    this.redraw({ ...this.overlay, visible: withOverlay && this.overlay.visible });
    const rgba = this.#renderer.readPixels();
    this.redraw();
    return rgba === null ? null : { rgba, header: this.#shown.header };
  }

  /** Starts counting anew: another subscription. The last picture stays on the screen. */
  restart(): void {
    if (this.#waiting !== null) this.#giveBack(this.#waiting);
    this.#waiting = null;
    this.framesReceived = this.framesShown = this.framesReplaced = 0;
  }

  /** No frame comes any more. */
  close(): void {
    this.restart();
    this.#turn.port1.close();
  }

  #drawWaiting(): void {
    const frame = this.#waiting;
    if (frame === null) return;
    this.#waiting = null;
    const frameNumber = frame.header.frame;
    if (this.#renderer.contextLost) {
      // Drawn when the context is back, unless a newer one has come by then.
      this.#keep(frame);
    } else if (this.#draw(frame, this.overlay)) {
      this.framesShown++;
      this.#keep(frame);
      this.#options.onDrawn(frame, this.#options.nowMs());
    } else this.#giveBack(frame);
    this.#drawEndedAtMs = this.#options.nowMs();
    this.#options.onDone(frameNumber);
  }

  #keep(frame: ReceivedFrame): void {
    if (this.#shown !== null) this.#giveBack(this.#shown);
    this.#shown = frame;
  }

  #draw({ bytes, header }: ReceivedFrame, overlay: OverlaySettings): boolean {
    try {
      checkGeometry(header);
      this.#renderer.draw(header, bytes.subarray(FRAME_PAYLOAD_OFFSET), overlay);
      return true;
    } catch (error) {
      this.#options.onError((error as Error).message);
      return false;
    }
  }

  #giveBack(frame: ReceivedFrame): void {
    this.#options.pool.give(frame.bytes.buffer);
  }
}

/** Bounds the picture and its overlay against the payload. */
function checkGeometry(header: FrameHeader): void {
  const { width, height, stride, overlayWidth, overlayHeight, overlayBytes } = header;
  const neededBytes = pictureBytes(header);
  if (width === 0 || height === 0 || neededBytes > header.payloadBytes) {
    throw new Error(
      `frame ${header.frame} is damaged: ${width} × ${height} with rows of ${stride} bytes need ${neededBytes} bytes, ` +
        `it has ${header.payloadBytes}`,
    );
  }
  if (overlayWidth * overlayHeight > overlayBytes) {
    throw new Error(
      `frame ${header.frame} is damaged: an overlay of ${overlayWidth} × ${overlayHeight} cells has ${overlayBytes} bytes`,
    );
  }
}
