/**
 * Watches over the worker's event loop: counts the times that it stood still, and notices a pipeline that is stuck
 * although the loop runs.
 *
 * Browsers report long tasks (PerformanceObserver "longtask") to windows only. So a timer beats while frames come; a
 * beat that is late tells how long the loop stood still.
 */

/** Short against what counts as a stall, so that hardly any hides between two beats. */
export const BEAT_MS = 25;
/** A beat later than this is a stall: three frames of a display are missed. */
const STALL_MS = 50;
/** A frame that has not been drawn for so long, on a loop that runs, never will be. */
const STUCK_MS = 1_000;
/** After a kick the pipeline gets this long, since the next picture needs a keyframe. */
const KICK_PAUSE_MS = 3_000;

export class LoopMonitor {
  readonly #onStuck: () => void;
  #beatenAtMs: number | null = null;
  /** When the oldest frame came that nothing was drawn after. */
  #undrawnSinceMs: number | null = null;
  #kickedAtMs = -Infinity;
  /** Times that the loop stood still. */
  stallsCount = 0;
  /** Times that the pipeline was found stuck. */
  kicksCount = 0;

  /** `onStuck` starts the pipeline anew. */
  constructor(onStuck: () => void) {
    this.#onStuck = onStuck;
  }

  /** To be called every {@link BEAT_MS} while frames are wanted. */
  beat(nowMs: number): void {
    const lateMs = this.#beatenAtMs === null ? 0 : nowMs - this.#beatenAtMs - BEAT_MS;
    this.#beatenAtMs = nowMs;
    if (lateMs > STALL_MS) {
      this.stallsCount++;
      // Nothing could be drawn meanwhile: that time does not count against the pipeline.
      if (this.#undrawnSinceMs !== null) this.#undrawnSinceMs += lateMs;
    }
    const undrawnMs = this.#undrawnSinceMs === null ? 0 : nowMs - this.#undrawnSinceMs;
    if (undrawnMs < STUCK_MS || nowMs - this.#kickedAtMs < KICK_PAUSE_MS) return;
    this.#kickedAtMs = nowMs;
    this.kicksCount++;
    this.#onStuck();
  }

  received(nowMs: number): void {
    this.#undrawnSinceMs ??= nowMs;
  }

  drawn(): void {
    this.#undrawnSinceMs = null;
  }

  /** Nothing is expected to be drawn from here on: a hidden page, a lost graphics context, another subscription. */
  rest(): void {
    this.#beatenAtMs = null;
    this.#undrawnSinceMs = null;
  }
}
