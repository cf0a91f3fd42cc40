/** Times between the frames that were drawn, and those that came late. */

/** The usual time is the median of so many. */
const USUAL_FRAMES = 31;
const USUAL_FRAMES_MIN = 8;
/** Later than this many usual times after the one before is seen as a jerk. */
const JANK_FACTOR = 1.5;

export class FrameTimes {
  readonly #recentMs: number[] = [];
  #drawnAtMs: number | null = null;
  janksCount = 0;

  /** A frame was drawn. Returns the time since the one before, ms; null for the first. */
  drawn(nowMs: number): number | null {
    const timeMs = this.#drawnAtMs === null ? null : nowMs - this.#drawnAtMs;
    this.#drawnAtMs = nowMs;
    if (timeMs === null) return null;
    const usualMs = this.#usualMs();
    if (usualMs !== null && timeMs > JANK_FACTOR * usualMs) this.janksCount++;
    this.#recentMs.push(timeMs);
    if (this.#recentMs.length > USUAL_FRAMES) this.#recentMs.shift();
    return timeMs;
  }

  #usualMs(): number | null {
    if (this.#recentMs.length < USUAL_FRAMES_MIN) return null;
    return this.#recentMs.toSorted((a, b) => a - b)[this.#recentMs.length >> 1]!;
  }

  /** The run stood still by intention, or the page did: the next frame is not late. */
  rest(): void {
    this.#drawnAtMs = null;
  }
}
