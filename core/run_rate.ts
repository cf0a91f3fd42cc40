/** How many frames a run makes, and how many its viewers want of it at most. */

import type { Controller } from "../ffi/controller.ts";
import { STALLED_NS } from "./link_meter.ts";
import { RingCap } from "./ring_cap.ts";
import type { Subscription } from "./subscription.ts";

const MHZ_PER_HZ = 1000;
/** The ring's rate cap is a u32. */
const RATE_MAX_MHZ = 0xffff_ffff;
const NS_PER_S = 1e9;

export class RunRate {
  readonly #ringCap = new RingCap();
  #runHz = 0;
  #headFrame: number | null = null;
  #countedNs = 0;

  /** Frames that the run published per second, of the last second. */
  get runHz(): number {
    return this.#runHz;
  }

  /** The cap that is set because viewers cannot follow; null = none. */
  get ringCapHz(): number | null {
    return this.#ringCap.capHz;
  }

  /** Once a second: counts what was published and taken. */
  onSecond(headFrame: number, subscriptions: readonly Subscription[], nowNs: number): void {
    const seconds = (nowNs - this.#countedNs) / NS_PER_S;
    const known = this.#headFrame !== null && seconds > 0;
    this.#runHz = known ? (headFrame - this.#headFrame!) / seconds : 0;
    this.#headFrame = headFrame;
    this.#countedNs = nowNs;
    const viewers = subscriptions.map(({ pacer }) => {
      const { framesTaken, wasFull } = pacer.takeCounts();
      const oldestNs = pacer.oldestUnackedNs;
      return {
        framesTaken: framesTaken / Math.max(seconds, Number.EPSILON),
        wasFull,
        stalled: oldestNs !== null && nowNs - oldestNs >= STALLED_NS,
      };
    });
    if (known) this.#ringCap.onSecond(this.#runHz, viewers);
  }

  /** Tells the worker what is wanted at most: what the fastest viewer takes, when every one has a cap. */
  apply(controller: Controller | null, subscriptions: readonly Subscription[]): void {
    const capHz = Math.min(wantedHz(subscriptions), this.#ringCap.capHz ?? Infinity);
    controller?.setRateMax(
      capHz === Infinity ? 0 : Math.min(Math.round(capHz * MHZ_PER_HZ), RATE_MAX_MHZ),
    );
  }
}

/** Frames of the run per second that the fastest viewer wants; 0 without a viewer. */
function wantedHz(subscriptions: readonly Subscription[]): number {
  const ratesHz = subscriptions.map(({ settings: { fpsMax, everyNth } }) =>
    fpsMax === 0 ? Infinity : fpsMax * everyNth
  );
  return Math.max(0, ...ratesHz);
}
