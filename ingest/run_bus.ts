/** Tells of committed rows, in the order of their commits, to whoever follows a run. */

import type { RowBatch, RowKind } from "../core/storage/records.ts";
import type { GatheredResult } from "./store_protocol.ts";

export interface CommittedRows {
  runId: string;
  kind: RowKind;
  /** How many of the batch's rows are new: its last ones. At least 1. */
  rowsNew: number;
  /** Only to be read now: its columns' memory is used again. */
  batch: RowBatch;
}

export interface RunListener {
  onRows(rows: CommittedRows): void;
  /** Rows were committed that nobody is told of: they can be read. */
  onMissed(): void;
}

export class RunBus {
  readonly #listeners = new Map<string, Set<RunListener>>();

  /** `listener` hears of each batch of the run, until what is returned is disposed. */
  subscribe(runId: string, listener: RunListener): Disposable {
    const listeners = this.#listeners.get(runId) ?? new Set();
    this.#listeners.set(runId, listeners.add(listener));
    return {
      [Symbol.dispose]: () => {
        listeners.delete(listener);
        if (listeners.size === 0) this.#listeners.delete(runId);
      },
    };
  }

  get subscribers(): number {
    let count = 0;
    for (const listeners of this.#listeners.values()) count += listeners.size;
    return count;
  }

  /** Tells those who follow the run what became of its rows. */
  tell(batch: RowBatch, result: GatheredResult): void {
    if (result.outcome === "gap" || result.rowsNew === 0) return;
    const { kind, stream: { runId } } = batch;
    // Of a batch that was refused in its midst the rows that were stored are not its last ones.
    if (result.outcome === "refused") this.miss(runId);
    else this.publish({ runId, kind, rowsNew: result.rowsNew, batch });
  }

  publish(rows: CommittedRows): void {
    for (const listener of this.#listeners.get(rows.runId) ?? []) listener.onRows(rows);
  }

  miss(runId: string): void {
    for (const listener of this.#listeners.get(runId) ?? []) listener.onMissed();
  }
}
