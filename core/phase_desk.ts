/** Whose display decides when frames are sampled. */

import type { Display } from "../proto/wire.ts";
import { type Grid, isCurrent, PhaseLock } from "./phase_lock.ts";
import type { Subscription } from "./subscription.ts";

/** A display whose period is so many times another's is slower; less is how displays of one kind differ. */
const SLOWER_FACTOR = 1.1;

type Willing = Subscription & { display: Display };

export class PhaseDesk {
  readonly #lock = new PhaseLock();
  #leader: Subscription | null = null;

  /** The viewer in time with whose display frames are sampled now. */
  get leader(): Subscription | null {
    return this.#lock.grid === null ? null : this.#leader;
  }

  /**
   * Looks anew: of the viewers of the stream that told of their display, the one that has control leads, else the one
   * that came first of those whose display is as fast as any, since all get what the leader's takes. Where there is no
   * stream, frames of a single raw viewer are read in time with its display; of several each is served as frames come,
   * since they are read once for all.
   */
  follow(
    subscriptions: readonly Subscription[],
    owner: Subscription | null,
    runHz: number,
    nowNs: number,
  ): void {
    const encoded = subscriptions.filter(({ raw }) => !raw);
    const candidates = encoded.length > 0 || subscriptions.length > 1 ? encoded : subscriptions;
    const willing = candidates.filter((one): one is Willing =>
      one.display !== null && isCurrent(one.display, nowNs)
    );
    const leader = willing.find((one) => one === owner) ?? oldestOfFastest(willing);
    if (leader !== this.#leader) this.#lock.release();
    this.#leader = leader;
    if (leader !== null) {
      const { fpsMax, everyNth, stayLive } = leader.settings;
      this.#lock.follow(leader.display, { runHz: runHz / everyNth, fpsMax, stayLive }, nowNs);
    }
    for (const { pacer, raw } of subscriptions) pacer.grid = raw ? this.gridFor(true) : null;
  }

  /** For the stream, or for the raw viewer that is alone. */
  gridFor(raw: boolean): Grid | null {
    return this.#leader?.raw === raw ? this.#lock.grid : null;
  }
}

/** Viewers come in the order in which they began to watch. */
function oldestOfFastest(willing: readonly Willing[]): Subscription | null {
  const periodMsMin = Math.min(...willing.map(({ display }) => display.periodMs));
  return willing.find(({ display }) => display.periodMs <= periodMsMin * SLOWER_FACTOR) ?? null;
}
