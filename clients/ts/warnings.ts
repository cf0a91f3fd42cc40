/** What a client has to complain about: each matter once, so that a training log is not flooded. */

/** Different matters; beyond it nothing more is said. */
const MATTERS_MAX = 100;

export class Warnings {
  readonly #write: (line: string) => void;
  readonly #said = new Set<string>();

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** Says `text` unless the same matter was complained of before. */
  once(matter: string, text: string): void {
    if (this.#said.has(matter) || this.#said.size >= MATTERS_MAX) return;
    this.#said.add(matter);
    this.#write(`telebridge: ${text}`);
  }

  /** The matter is settled: the next time it is said again. */
  settled(matter: string): void {
    this.#said.delete(matter);
  }
}
