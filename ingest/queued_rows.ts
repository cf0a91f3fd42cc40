/** Rows of one call on their way to the store: gathered from its messages until the store takes them. */

import type { RowBatch, RowKind, StreamKey } from "../core/storage/records.ts";
import type { RowGatherer } from "./rows/reader.ts";
import type { GatheredBatch, GatheredResult } from "./store_protocol.ts";

export interface Committed {
  result: GatheredResult;
  /** As it was sent to the store: whoever reads its columns does so before they are used again. */
  batch: RowBatch;
  /** The store's version with it. */
  version: number;
}

export interface QueuedRowsOptions {
  stream: StreamKey;
  kind: RowKind;
  firstSequence: bigint;
  gatherer: RowGatherer;
  onCommitted: (committed: Committed) => void;
}

export class QueuedRows {
  readonly #options: QueuedRowsOptions;
  readonly #messageRows: number[] = [];
  #count = 0;
  #sealed = false;

  constructor(options: QueuedRowsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#options.gatherer.bytes;
  }

  /** Whether a message of `rows` rows that begins at `firstSequence` can be added. */
  takes(firstSequence: bigint, rows: number): boolean {
    const { firstSequence: first, gatherer } = this.#options;
    return !this.#sealed && firstSequence === first + BigInt(this.#count) && gatherer.hasRoom(rows);
  }

  /** The gatherer has taken a message's rows. */
  added(rows: number): void {
    this.#messageRows.push(rows);
    this.#count += rows;
  }

  get gatherer(): RowGatherer {
    return this.#options.gatherer;
  }

  /** No more rows are added from here on. */
  seal(): GatheredBatch {
    this.#sealed = true;
    const { stream, kind, firstSequence, gatherer } = this.#options;
    const rows = gatherer.finish();
    const batch = { kind, stream, firstSequence, count: this.#count, rows } as RowBatch;
    return { batch, messageRows: this.#messageRows };
  }

  settle(committed: Committed): void {
    this.#options.onCommitted(committed);
  }
}
