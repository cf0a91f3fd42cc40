/**
 * Takes the pixels out of decoded pictures, for a renderer on the CPU: a 2D canvas draws a VideoFrame ten to twenty times
 * slower than the decoder's own conversion and a copy take together (docs/architecture.md).
 */

import type { DecodedPicture } from "./decoded_frame.ts";
import type { FramePool } from "./frame_pool.ts";

const BYTES_PER_PIXEL = 4;

/** Takes a picture that was read; `free` gives its memory back, once. */
export type OnRead = (picture: DecodedPicture, free: () => void) => void;

export class PixelReader {
  readonly #pool: FramePool;
  /** Pictures are read one after the other, so that they come out in order. */
  #last: Promise<void> = Promise.resolve();
  /** This browser cannot convert while it copies: pictures stay what they are. */
  #isUnsupported = false;

  constructor(pool: FramePool) {
    this.#pool = pool;
  }

  /** Owns the picture from now on, and calls `onRead` once: with its pixels, or with itself where that cannot be. */
  read(image: VideoFrame, width: number, height: number, onRead: OnRead): void {
    if (this.#isUnsupported) return onRead({ kind: "video", image }, () => image.close());
    const reading = this.#last.then(() => this.#read(image, width, height, onRead));
    // One that goes wrong later on does not stop those behind it.
    this.#last = reading.catch(reportError);
  }

  /** Does not wait any longer for what is being read. */
  restart(): void {
    this.#last = Promise.resolve();
  }

  async #read(image: VideoFrame, width: number, height: number, onRead: OnRead): Promise<void> {
    const bytes = width * height * BYTES_PER_PIXEL;
    const buffer = this.#pool.take(bytes);
    const rgba = new Uint8ClampedArray(buffer, 0, bytes);
    try {
      // Odd sizes were coded with one column or row more: that is left out. Alpha is whatever it is.
      const rect = { x: 0, y: 0, width, height };
      await image.copyTo(rgba, { format: "RGBX", rect });
    } catch {
      this.#pool.give(buffer);
      this.#isUnsupported = true;
      return onRead({ kind: "video", image }, () => image.close());
    }
    image.close();
    const pixels = new ImageData(rgba, width, height);
    onRead({ kind: "pixels", image: pixels }, () => this.#pool.give(buffer));
  }
}
