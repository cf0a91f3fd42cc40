/** Events per second over the last second. */

const WINDOW_MS = 1_000;
const EVENTS_MAX = 1_024;

export class RateMeter {
  readonly #atMs = new Float64Array(EVENTS_MAX);
  #added = 0;

  add(nowMs: number): void {
    this.#atMs[this.#added++ % EVENTS_MAX] = nowMs;
  }

  perSecond(nowMs: number): number {
    const kept = Math.min(this.#added, EVENTS_MAX);
    let events = 0;
    while (events < kept) {
      if (nowMs - this.#atMs[(this.#added - 1 - events) % EVENTS_MAX]! > WINDOW_MS) break;
      events++;
    }
    return events * 1_000 / WINDOW_MS;
  }
}
