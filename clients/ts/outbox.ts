/** All rows of a run that the server has not acked: what a script's calls fill and a courier empties. */

import { type Kind, KINDS } from "./kinds.ts";
import { type Batch, Lane } from "./lane.ts";
import { QUEUE_BYTES_MAX } from "./limits.ts";
import { MessageBuffer, SampleBuffer, StepBuffer } from "./row_buffers.ts";

export class Outbox {
  readonly lanes = {
    steps: new Lane("steps", new StepBuffer()),
    episodes: new Lane("episodes", new MessageBuffer()),
    samples: new Lane("samples", new SampleBuffer()),
    logs: new Lane("logs", new MessageBuffer()),
    params: new Lane("params", new MessageBuffer()),
    histograms: new Lane("histograms", new MessageBuffer()),
  };
  /** Rows that found the queue full: they were never numbered. */
  rowsDropped = 0;
  /** Rows that the server said it can never store. */
  rowsRefused = 0;
  /** Packed bytes in memory that the spool does not have. */
  #bytes = 0;

  get all(): Lane[] {
    return KINDS.map((kind) => this.lanes[kind]);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Rows that wait for their ack. */
  get waiting(): number {
    return this.all.reduce((rows, lane) => rows + lane.waiting, 0);
  }

  /**
   * Lets `push` put one row into the kind's buffer, and numbers it; when the queue is full the newest row, this one, is
   * dropped. Returns whether it was taken.
   */
  give<K extends Kind>(kind: K, push: (buffer: Outbox["lanes"][K]["buffer"]) => void): boolean {
    const lane = this.lanes[kind];
    if (this.#bytes >= QUEUE_BYTES_MAX) {
      this.rowsDropped++;
      return false;
    }
    push(lane.buffer);
    lane.given++;
    if (lane.buffer.full) this.#cut(lane);
    return true;
  }

  /** Packs all that is not packed yet. */
  cut(): void {
    for (const lane of this.all) this.#cut(lane);
  }

  #cut(lane: Lane): void {
    this.#bytes += lane.cut()?.rows.byteLength ?? 0;
  }

  acknowledge(lane: Lane, sequence: number): void {
    for (const batch of lane.acknowledge(sequence)) this.#leaves(batch);
  }

  /** The oldest batch of the lane cannot be stored, ever. */
  giveUp(lane: Lane): Batch | null {
    const batch = lane.window.shift() ?? null;
    if (batch !== null) this.#leaves(batch);
    return batch;
  }

  /** What the spool does not have, in the order in which it has to be written. */
  unspooled(): Batch[] {
    return this.all.flatMap((lane) => [
      ...lane.window.filter(({ onDisk }) => !onDisk),
      ...lane.fresh,
    ]);
  }

  /** The spool has these now; those that are not on their way are dropped from memory, to be read again. */
  spooled(batches: readonly Batch[]): void {
    const written = new Set(batches);
    for (const batch of batches) {
      this.#leaves(batch);
      batch.onDisk = true;
    }
    for (const lane of this.all) {
      lane.fresh = lane.fresh.filter((batch) => !written.has(batch));
      lane.window = lane.window.filter((batch, index) => index < lane.sent || !written.has(batch));
    }
  }

  #leaves(batch: Batch): void {
    if (batch.queued) this.#bytes -= batch.rows.byteLength;
    batch.queued = false;
  }
}
