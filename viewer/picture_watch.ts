/** Notices a picture that is all black or stands still although new frames are drawn: a worker that renders nothing. */

export type PictureWarning = "frozen" | "black";

/** So long, and over so many new frames, before a person is bothered: scenes may be dark or still for a moment. */
const WARN_MS = 5_000;
const WARN_FRAMES = 5;
/** No channel of any pixel reaches this level in a black picture, nor in one that a codec made of it. */
const BLACK_BELOW = 8;
/** Encoders make a still picture better or worse by a level; so may their rounding. */
const SAME_WITHIN = 1;

/** What was seen of one drawn frame. */
export interface PictureSample {
  frame: number;
  takenAtMs: number;
  /** A small copy, RGBA. */
  rgba: Uint8ClampedArray;
}

export class PictureWatch {
  /** The oldest sample since which the picture is the same; null before the first. */
  #sameSince: PictureSample | null = null;
  /** The oldest sample since which it is black; null while it is not. */
  #blackSince: PictureSample | null = null;
  #newest: PictureSample | null = null;

  /** Takes a sample of a frame that was drawn; about once a second. */
  look(sample: PictureSample): void {
    if (this.#sameSince === null || !same(this.#sameSince.rgba, sample.rgba)) {
      this.#sameSince = sample;
    }
    if (!black(sample.rgba)) this.#blackSince = null;
    else this.#blackSince ??= sample;
    this.#newest = sample;
  }

  /** The run is paused, the page hidden, the subscription another one: what was seen does not count. */
  reset(): void {
    this.#sameSince = this.#blackSince = this.#newest = null;
  }

  get warning(): PictureWarning | null {
    if (this.#lasts(this.#blackSince)) return "black";
    return this.#lasts(this.#sameSince) ? "frozen" : null;
  }

  /** For how long the picture has been so, ms; 0 without a warning. */
  get warningForMs(): number {
    const { warning } = this;
    if (warning === null) return 0;
    const since = warning === "black" ? this.#blackSince : this.#sameSince;
    return this.#newest!.takenAtMs - since!.takenAtMs;
  }

  #lasts(since: PictureSample | null): boolean {
    return since !== null && this.#newest!.takenAtMs - since.takenAtMs >= WARN_MS &&
      this.#newest!.frame - since.frame >= WARN_FRAMES;
  }
}

function same(a: Uint8ClampedArray, b: Uint8ClampedArray): boolean {
  return a.length === b.length && a.every((value, at) => Math.abs(value - b[at]!) <= SAME_WITHIN);
}

function black(rgba: Uint8ClampedArray): boolean {
  return rgba.every((value, at) => value < BLACK_BELOW || at % 4 === 3);
}
