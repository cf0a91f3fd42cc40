/** Things that ask for something take turns: one at a time, so often and no more, in the order in which they asked. */

export interface TurnsOptions<Thing> {
  everyMs: number;
  /** A clock that never steps back. */
  nowMs(): number;
  take(thing: Thing): void;
}

export class Turns<Thing> {
  readonly #options: TurnsOptions<Thing>;
  readonly #waiting = new Set<Thing>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tookAtMs = -Infinity;

  constructor(options: TurnsOptions<Thing>) {
    this.#options = options;
  }

  /** Takes it, now or later; one that waits already keeps its place. */
  ask(thing: Thing): void {
    this.#waiting.add(thing);
    this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting.clear();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#waiting.size === 0) return;
    const { everyMs, nowMs } = this.#options;
    const waitMs = Math.max(0, this.#tookAtMs + everyMs - nowMs());
    this.#timer = setTimeout(() => this.#takeNext(), waitMs);
  }

  #takeNext(): void {
    this.#timer = undefined;
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#waiting.delete(first);
    this.#tookAtMs = this.#options.nowMs();
    this.#options.take(first);
    this.#schedule();
  }
}
