/**
 * The rows of one kind, from the moment they are given to their ack. Sequences here are *given* numbers: 1, 2, 3 … as the
 * script gives rows. The server's are the same less `offset`: rows that can never be stored there (refused, or lost with
 * a killed process) leave no gap.
 */

import type { Kind } from "./kinds.ts";
import type { RowBuffer } from "./row_buffers.ts";

/** Rows that were packed together. */
export interface Batch {
  readonly kind: Kind;
  /** Given number of its first row. */
  readonly firstSequence: number;
  readonly count: number;
  readonly rows: Uint8Array<ArrayBuffer>;
  /** The spool has it too. */
  onDisk: boolean;
  /** It counts into the queue's bytes. */
  queued: boolean;
}

export function lastSequenceOf(batch: Batch): number {
  return batch.firstSequence + batch.count - 1;
}

export class Lane<Buffer extends RowBuffer = RowBuffer> {
  readonly kind: Kind;
  readonly buffer: Buffer;
  /** Rows given, not counting those that were dropped. */
  given = 0;
  /** All rows up to this one were acked as committed, or given up. */
  committed = 0;
  /** All rows up to this one were acked as synced. */
  synced = 0;
  /** Given number less the server's. */
  offset = 0;
  /** The server refused the oldest row that it has not acked: the next message goes alone, so that it shows which. */
  careful = false;
  /** May be sent, oldest first; those that were sent in front. */
  window: Batch[] = [];
  /** Number of batches of the window that were sent on this connection. */
  sent = 0;
  /** Packed, and behind what is in the spool. */
  fresh: Batch[] = [];

  constructor(kind: Kind, buffer: Buffer) {
    this.kind = kind;
    this.buffer = buffer;
  }

  /** Rows that are neither acked nor given up. */
  get waiting(): number {
    return this.given - this.committed;
  }

  /** Packs what the buffer holds. Returns the batch, null without rows. */
  cut(): Batch | null {
    const count = this.buffer.rows;
    if (count === 0) return null;
    const batch: Batch = {
      kind: this.kind,
      firstSequence: this.given - count + 1,
      count,
      rows: this.buffer.pack(),
      onDisk: false,
      queued: true,
    };
    this.fresh.push(batch);
    return batch;
  }

  /** The last row that the window holds or that is done with. */
  get windowEnd(): number {
    const last = this.window.at(-1);
    return last === undefined ? this.committed : lastSequenceOf(last);
  }

  /** The last row that is on its way or done with. */
  get sentEnd(): number {
    return this.sent === 0 ? this.committed : lastSequenceOf(this.window[this.sent - 1]!);
  }

  get rowsInFlight(): number {
    return this.sentEnd - this.committed;
  }

  get bytesInFlight(): number {
    let bytes = 0;
    for (let index = 0; index < this.sent; index++) bytes += this.window[index]!.rows.byteLength;
    return bytes;
  }

  /** The server has all rows up to `sequence`, a given number. Returns the batches that are done with. */
  acknowledge(sequence: number): Batch[] {
    this.committed = Math.max(this.committed, Math.min(sequence, this.given));
    const kept = this.window.findIndex((batch) => lastSequenceOf(batch) > this.committed);
    const done = this.window.splice(0, kept < 0 ? this.window.length : kept);
    this.sent = Math.max(0, this.sent - done.length);
    return done;
  }

  /** Rows before the next one in the window are given up: the server numbers go on without them. */
  closeGap(next: Batch): number {
    const missing = next.firstSequence - this.committed - 1;
    this.offset += missing;
    this.committed = next.firstSequence - 1;
    return missing;
  }
}
