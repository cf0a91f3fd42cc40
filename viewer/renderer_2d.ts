/**
 * Draws by the 2D canvas, for machines without a real GPU: raw pictures are converted on the CPU and put as they are,
 * decoded ones are drawn by the browser. Either is read when the call returns, so no lease is held.
 */

import type { DecodedFrame } from "./decoded_frame.ts";
import { heatColours } from "./heat_map.ts";
import { type RawPicture, toRgba } from "./pixels.ts";
import type { OverlaySettings, Renderer } from "./renderer.ts";

export class Renderer2d implements Renderer {
  readonly kind = "2d";
  /** The processor has drawn when a call returns. */
  readonly isBusy = false;
  readonly #canvas: OffscreenCanvas;
  readonly #context: OffscreenCanvasRenderingContext2D;
  readonly #colours = new Uint32Array(heatColours().buffer);
  readonly #overlayCanvas = new OffscreenCanvas(1, 1);
  readonly #overlayContext: OffscreenCanvasRenderingContext2D;
  #picture = new ImageData(1, 1);
  #overlay = new ImageData(1, 1);

  constructor(canvas: OffscreenCanvas) {
    this.#canvas = canvas;
    // Pixels are written by the CPU only: a canvas kept there is drawn to without a copy to the GPU and back.
    const settings = { alpha: false, willReadFrequently: true };
    this.#context = require2d(canvas.getContext("2d", settings));
    this.#overlayContext = require2d(this.#overlayCanvas.getContext("2d"));
  }

  get contextLost(): boolean {
    return this.#context.isContextLost();
  }

  draw(frame: DecodedFrame, overlay: OverlaySettings): void {
    const { width, height } = frame.header;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
      // A canvas of a new size has forgotten its settings.
      this.#context.imageSmoothingEnabled = false;
    }
    const { picture } = frame;
    if (picture.kind === "raw") this.#putRaw(frame.header, picture.payload);
    else if (picture.kind === "pixels") this.#context.putImageData(picture.image, 0, 0);
    // Odd sizes were coded with one column or row more: that is cut off.
    else this.#context.drawImage(picture.image, 0, 0, width, height, 0, 0, width, height);
    if (overlay.visible && frame.overlay.byteLength > 0) this.#drawOverlay(frame, overlay);
  }

  tick(): void {}

  #putRaw(picture: RawPicture, payload: Uint8Array<ArrayBuffer>): void {
    const { width, height } = picture;
    if (this.#picture.width !== width || this.#picture.height !== height) {
      this.#picture = new ImageData(width, height);
    }
    toRgba(picture, payload, new Uint32Array(this.#picture.data.buffer));
    this.#context.putImageData(this.#picture, 0, 0);
  }

  #drawOverlay({ header, overlay: cells }: DecodedFrame, { opacity }: OverlaySettings): void {
    const { width, height, overlayWidth, overlayHeight } = header;
    if (this.#overlay.width !== overlayWidth || this.#overlay.height !== overlayHeight) {
      this.#overlay = new ImageData(overlayWidth, overlayHeight);
      this.#overlayCanvas.width = overlayWidth;
      this.#overlayCanvas.height = overlayHeight;
    }
    const words = new Uint32Array(this.#overlay.data.buffer);
    for (let cell = 0; cell < words.length; cell++) words[cell] = this.#colours[cells[cell]!]!;
    this.#overlayContext.putImageData(this.#overlay, 0, 0);
    this.#context.globalAlpha = opacity;
    this.#context.drawImage(this.#overlayCanvas, 0, 0, width, height);
    this.#context.globalAlpha = 1;
  }

  readPixels(): Uint8Array<ArrayBuffer> | null {
    if (this.contextLost) return null;
    const { data } = this.#context.getImageData(0, 0, this.#canvas.width, this.#canvas.height);
    return new Uint8Array(data.buffer);
  }
}

function require2d(
  context: OffscreenCanvasRenderingContext2D | null,
): OffscreenCanvasRenderingContext2D {
  if (context === null) throw new Error("this browser gives no 2D canvas context to a worker");
  return context;
}
