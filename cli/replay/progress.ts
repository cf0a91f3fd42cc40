/** How far a replay is, on a terminal's stderr while the rows go elsewhere. */

import { Presets, SingleBar } from "cli-progress";

const SHOW_EVERY_MS = 100;
const PERCENT = 100;

export interface Progress {
  /** `rowsCount` more rows, the last one of this time. */
  add(rowsCount: number, timeUnixNs: bigint, bounds: TimeSpan): void;
  stop(): void;
}

export interface TimeSpan {
  firstUnixNs: bigint;
  lastUnixNs: bigint;
}

const SILENT: Progress = { add() {}, stop() {} };

/** Only for people who see it and do not see the rows. */
export function progressOf(runId: string): Progress {
  const shown = Deno.stderr.isTerminal() && !Deno.stdout.isTerminal();
  return shown ? new ProgressBar(runId) : SILENT;
}

class ProgressBar implements Progress {
  readonly #bar: SingleBar;
  readonly #startedAtMs = performance.now();
  #rows = 0;
  #shownAtMs = 0;

  constructor(runId: string) {
    this.#bar = new SingleBar({
      format: `${runId} {bar} {percentage}% | {rows} rows | {rate} rows/s`,
      stream: process.stderr,
      hideCursor: null,
      clearOnComplete: false,
    }, Presets.shades_classic);
    this.#bar.start(PERCENT, 0, { rows: "0", rate: "0" });
  }

  add(rowsCount: number, timeUnixNs: bigint, bounds: TimeSpan): void {
    this.#rows += rowsCount;
    const nowMs = performance.now();
    if (nowMs - this.#shownAtMs < SHOW_EVERY_MS) return;
    this.#shownAtMs = nowMs;
    this.#show(shareOf(timeUnixNs, bounds));
  }

  stop(): void {
    this.#show(1);
    this.#bar.stop();
  }

  #show(share: number): void {
    const seconds = Math.max((performance.now() - this.#startedAtMs) / 1000, 0.001);
    this.#bar.update(Math.floor(share * PERCENT), {
      rows: this.#rows.toLocaleString("en"),
      rate: Math.round(this.#rows / seconds).toLocaleString("en"),
    });
  }
}

function shareOf(timeUnixNs: bigint, { firstUnixNs, lastUnixNs }: TimeSpan): number {
  const whole = Number(lastUnixNs - firstUnixNs);
  return whole <= 0 ? 0 : Math.min(1, Math.max(0, Number(timeUnixNs - firstUnixNs) / whole));
}
