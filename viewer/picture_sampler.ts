/** Takes the small copy of the drawn picture that {@link import("./picture_watch.ts").PictureWatch} looks at. */

import type { PictureSample } from "./picture_watch.ts";

const SAMPLE_MS = 1_000;
/** Cells of 20 × 20 pixels at 720p: what moves by a few pixels is seen, a codec's noise is averaged out. */
const WIDTH_MAX = 64;
const HEIGHT_MAX = 36;

export class PictureSampler {
  readonly #canvas = new OffscreenCanvas(1, 1);
  readonly #context = this.#canvas.getContext("2d", { willReadFrequently: true });
  #takenAtMs = -Infinity;

  /**
   * A sample of what was drawn on `source` in this task, once a second; null otherwise. In this task, since a WebGL
   * canvas is empty after it.
   */
  take(source: OffscreenCanvas, frame: number, nowMs: number): PictureSample | null {
    if (nowMs - this.#takenAtMs < SAMPLE_MS || this.#context === null) return null;
    this.#takenAtMs = nowMs;
    const width = Math.min(WIDTH_MAX, source.width);
    const height = Math.min(HEIGHT_MAX, source.height);
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    // "high" averages over all pixels of a cell; the lower ones look at a few of them.
    this.#context.imageSmoothingQuality = "high";
    this.#context.drawImage(source, 0, 0, width, height);
    const { data } = this.#context.getImageData(0, 0, width, height);
    return { frame, takenAtMs: nowMs, rgba: data };
  }
}
