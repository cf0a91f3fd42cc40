/** A run that is over, while its stream may still be at work on the last frame. */

import type { Live } from "./live.ts";

/** Longer than any encoder takes for one frame. */
const LAST_FRAME_MS_MAX = 500;

/** Keeps at most one; a later one, or the run's next life, ends it. */
export class Ending implements Disposable {
  #live: Live | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Takes over what was attached, and lets go of it when its stream has ended, or is late. */
  keep(live: Live): void {
    this[Symbol.dispose]();
    this.#live = live;
    this.#timer = setTimeout(() => this[Symbol.dispose](), LAST_FRAME_MS_MAX);
  }

  /** The stream has packets: may throw what it throws. */
  onPackets(): void {
    this.#live?.finishPackets();
  }

  /** Lets go of it now. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    const live = this.#live;
    this.#live = null;
    live?.[Symbol.dispose]();
  }
}
