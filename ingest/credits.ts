/**
 * How much clients may have on their way, and whether anything is read from them at all. What waits for the store is
 * bounded: credits shrink as it grows, and beyond the limit calls are not read until it has gone down.
 */

import { StoreState } from "../proto/gen/telebridge/v1/publish_pb.ts";

/** Rows of one call beyond those that are committed, when all is well. */
export const CREDITS_MAX = 65_536;
const CREDITS_MIN = 1_024;
/** Of rows that are queued or being stored. */
export const QUEUED_BYTES_MAX = 96 * 1024 * 1024;
/** Reading goes on below this part of it. */
const RESUME_PART = 1 / 2;
/** The store is slow from this part of it on. */
const SLOW_PART = 1 / 4;

export interface StoreCondition {
  /** Rows of a call that a client may have on their way. */
  credits: number;
  state: StoreState;
  /** For people; "" when all is well. */
  reason: string;
}

export interface CreditDeskOptions {
  /** Another condition holds: clients are to be told. */
  onChange: (condition: StoreCondition) => void;
  /** Calls shall not be read, or again. */
  onPause: (paused: boolean) => void;
}

export class CreditDesk {
  readonly #options: CreditDeskOptions;
  #condition: StoreCondition = { credits: CREDITS_MAX, state: StoreState.OK, reason: "" };
  #paused = false;

  constructor(options: CreditDeskOptions) {
    this.#options = options;
  }

  get condition(): StoreCondition {
    return this.#condition;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** `failing`: why nothing is stored now; null: it is. */
  update(queuedBytes: number, failing: string | null): void {
    const paused = queuedBytes > QUEUED_BYTES_MAX * (this.#paused ? RESUME_PART : 1);
    if (paused !== this.#paused) {
      this.#paused = paused;
      this.#options.onPause(paused);
    }
    const condition = conditionOf(queuedBytes / QUEUED_BYTES_MAX, failing);
    const { credits, state, reason } = this.#condition;
    if (
      condition.credits === credits && condition.state === state && condition.reason === reason
    ) {
      return;
    }
    this.#condition = condition;
    this.#options.onChange(condition);
  }
}

/** `full`: the part of the queue that is taken. Credits go down by halves, so that clients are not told at every turn. */
export function conditionOf(full: number, failing: string | null): StoreCondition {
  const left = Math.max(0, 1 - full);
  const halves = full < SLOW_PART
    ? 0
    : Math.min(6, Math.ceil(-Math.log2(Math.max(left, 1e-3))) + 1);
  const credits = Math.max(CREDITS_MIN, CREDITS_MAX >> halves);
  if (failing !== null) return { credits: 0, state: StoreState.FAILING, reason: failing };
  if (halves === 0) return { credits, state: StoreState.OK, reason: "" };
  return {
    credits,
    state: StoreState.SLOW,
    reason: "rows come faster than they can be stored",
  };
}
