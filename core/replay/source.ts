/**
 * The rows of one kind in order of time. The store gives them in the order of their commits, in which those of several
 * clients are mixed: each page is sorted together with the one after it. A row that was committed later than that (out of a
 * spool, hours after it was made) comes when it comes, and is counted.
 */

import type { RowKind, RowsByKind } from "../storage/records.ts";
import type { Cursor, Page } from "../storage/store.ts";
import { ROWS } from "./rows.ts";
import type { TimeBounds } from "./window.ts";

/** Rows `from` to `to` (exclusive) of `rows`, whose times ascend. */
export type Slice = {
  [Kind in RowKind]: {
    kind: Kind;
    rows: RowsByKind[Kind];
    timesUnixNs: BigInt64Array;
    from: number;
    to: number;
  };
}[RowKind];

export interface ReadPages<Rows> {
  read(after: Cursor | null): Page<Rows>;
  /** As far as it is known after the page was read. */
  bounds(): TimeBounds;
}

/** A page in order of time. */
interface Sorted<Rows> {
  rows: Rows;
  timesUnixNs: BigInt64Array;
  /** Of the first row that has not been taken. */
  from: number;
  to: number;
}

export class RowSource<Kind extends RowKind = RowKind> {
  readonly kind: Kind;
  readonly #pages: ReadPages<RowsByKind[Kind]>;
  #ready: Sorted<RowsByKind[Kind]> | null = null;
  #ahead: Sorted<RowsByKind[Kind]> | null = null;
  #after: Cursor | null = null;
  /** The last page said that there are no more. */
  #drained = false;
  #takenUnixNs: bigint | null = null;
  #late = 0;

  constructor(kind: Kind, pages: ReadPages<RowsByKind[Kind]>) {
    this.kind = kind;
    this.#pages = pages;
  }

  /** Rows that came after later ones. */
  get late(): number {
    return this.#late;
  }

  /** The time of the next row; null: there are no more now. */
  head(): bigint | null {
    if (this.#ready === null) this.#fill();
    return this.#ready === null ? null : this.#ready.timesUnixNs[this.#ready.from]!;
  }

  /** The next rows up to this time, inclusive; at least one. null = no limit. Call it only where there is a head. */
  take(untilUnixNs: bigint | null): Slice {
    const ready = this.#ready!;
    const { rows, timesUnixNs, from } = ready;
    let to = from + 1;
    if (untilUnixNs === null) to = ready.to;
    else while (to < ready.to && timesUnixNs[to]! <= untilUnixNs) to++;
    ready.from = to;
    if (to === ready.to) this.#ready = null;
    const last = timesUnixNs[to - 1]!;
    if (this.#takenUnixNs === null || last > this.#takenUnixNs) this.#takenUnixNs = last;
    return { kind: this.kind, rows, timesUnixNs, from, to } as Slice;
  }

  /** Looks again for rows that have been committed since there were no more. */
  resume(): void {
    this.#drained = false;
  }

  #fill(): void {
    this.#ready = this.#ahead ?? this.#readSorted();
    this.#ahead = this.#ready === null ? null : this.#readSorted();
    if (this.#ready === null) return;
    if (this.#ahead !== null && lastTime(this.#ready) > firstTime(this.#ahead)) {
      [this.#ready, this.#ahead] = this.#resort(this.#ready, this.#ahead);
    }
    this.#countLate(this.#ready);
  }

  #readSorted(): Sorted<RowsByKind[Kind]> | null {
    while (!this.#drained) {
      const { rows, next, end } = this.#pages.read(this.#after);
      this.#after = next ?? end;
      this.#drained = next === null;
      const timesUnixNs = ROWS[this.kind].timesUnixNs(rows);
      const page = this.#clip(this.#sort({ rows, timesUnixNs, from: 0, to: timesUnixNs.length }));
      if (page.from < page.to) return page;
    }
    return null;
  }

  #sort(page: Sorted<RowsByKind[Kind]>): Sorted<RowsByKind[Kind]> {
    const { rows, timesUnixNs } = page;
    if (isAscending(timesUnixNs)) return page;
    const order = orderOf(timesUnixNs);
    const sorted = ROWS[this.kind].gather(rows, rows, order);
    return { ...page, rows: sorted, timesUnixNs: ROWS[this.kind].timesUnixNs(sorted) };
  }

  /** Sorts two pages together and parts them again, the earlier rows in the first. */
  #resort(
    first: Sorted<RowsByKind[Kind]>,
    second: Sorted<RowsByKind[Kind]>,
  ): [Sorted<RowsByKind[Kind]>, Sorted<RowsByKind[Kind]>] {
    const { gather, timesUnixNs: timesOf } = ROWS[this.kind];
    const offset = first.timesUnixNs.length;
    const firstCount = first.to - first.from;
    const times = new BigInt64Array(firstCount + second.to - second.from);
    times.set(first.timesUnixNs.subarray(first.from, first.to));
    times.set(second.timesUnixNs.subarray(second.from, second.to), firstCount);
    const order = orderOf(times).map((index) =>
      index < firstCount ? first.from + index : offset + second.from + index - firstCount
    );
    const part = (indexes: Uint32Array) => {
      const rows = gather(first.rows, second.rows, indexes);
      return { rows, timesUnixNs: timesOf(rows), from: 0, to: indexes.length };
    };
    return [part(order.subarray(0, firstCount)), part(order.subarray(firstCount))];
  }

  /** Leaves out what is outside the window. */
  #clip(page: Sorted<RowsByKind[Kind]>): Sorted<RowsByKind[Kind]> {
    const { fromUnixNs, toUnixNs } = this.#pages.bounds();
    let { from, to } = page;
    if (fromUnixNs !== null) { while (from < to && page.timesUnixNs[from]! < fromUnixNs) from++; }
    if (toUnixNs !== null) { while (from < to && page.timesUnixNs[to - 1]! > toUnixNs) to--; }
    return { ...page, from, to };
  }

  #countLate({ timesUnixNs, from, to }: Sorted<RowsByKind[Kind]>): void {
    if (this.#takenUnixNs === null) return;
    for (let at = from; at < to && timesUnixNs[at]! < this.#takenUnixNs; at++) this.#late++;
  }
}

function firstTime({ timesUnixNs, from }: Sorted<unknown>): bigint {
  return timesUnixNs[from]!;
}

function lastTime({ timesUnixNs, to }: Sorted<unknown>): bigint {
  return timesUnixNs[to - 1]!;
}

function isAscending(times: BigInt64Array): boolean {
  for (let at = 1; at < times.length; at++) if (times[at]! < times[at - 1]!) return false;
  return true;
}

/** Indexes by ascending time; equal ones stay in their order, as sort is stable. */
function orderOf(times: BigInt64Array): Uint32Array {
  const indexes = Uint32Array.from(times, (_, index) => index);
  return indexes.sort((a, b) => times[a]! < times[b]! ? -1 : times[a]! > times[b]! ? 1 : a - b);
}
