/**
 * Makes chunks of samples that stand as rows, a little at a time: rows are read in slices into a block, the block is
 * cut by series and encoded, and one transaction stores all of it and with it says that the rows count no more. They
 * leave the file in slices afterwards. A process that dies between any two of these leaves either the rows or the block.
 */

import { Buffer } from "node:buffer";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type ArrayStatement, prepareArrays } from "./array_statement.ts";
import { encodeAxis, encodeValues } from "./chunk_codec.ts";
import { encodeEnvelope } from "./envelope.ts";
import { keyOf, lastKeyOf } from "./keys.ts";
import { real } from "./row_decode.ts";

/** Large enough that headers cost little, small enough that what is not in a block yet is read quickly. */
export const BLOCK_ROWS = 65_536;
/** What is left of a run that has ended is worth a block of its own from so many rows on. */
const LAST_BLOCK_ROWS_MIN = 1_024;
/** Read or deleted at a time: about 2 ms. */
const SLICE_ROWS = 4_096;
/** Encoding goes on to the next series until so much time has gone. */
const ENCODE_MS = 2;

/** What is known of the samples of a run. Numbers count them from 1. */
interface RunState {
  /** The newest one. */
  committed: number;
  /** The newest one that is in a block. */
  compacted: number;
  ended: boolean;
}

interface SeriesPart {
  series: number;
  /** Row of the block that holds its first sample. */
  firstPlace: number;
  timeUnixNs: BigInt64Array<ArrayBuffer>;
  step: BigInt64Array<ArrayBuffer> | null;
  place: BigInt64Array<ArrayBuffer>;
  value: Float64Array<ArrayBuffer>;
}

interface EncodedChunk {
  series: number;
  axis: number;
  header: (number | bigint | null)[];
  envelope: Uint8Array;
  value: Uint8Array;
}

/** The block that is being made. */
interface Block {
  run: number;
  firstNumber: number;
  rowsWanted: number;
  series: Uint32Array;
  timeUnixNs: BigInt64Array<ArrayBuffer>;
  /** -1 where there is none. */
  step: BigInt64Array<ArrayBuffer>;
  value: Float64Array<ArrayBuffer>;
  rows: number;
  /** Null until all rows are read. */
  parts: SeriesPart[] | null;
  axes: { part: SeriesPart; bytes: Uint8Array }[];
  chunks: EncodedChunk[];
}

export class Compactor {
  readonly #db: DatabaseSync;
  readonly #blockRows: number;
  readonly #runs = new Map<number, RunState>();
  /** Runs whose blocks' rows are being deleted, up to this number. */
  readonly #dead = new Map<number, number>();
  #block: Block | null = null;
  readonly #readRows: ArrayStatement;
  readonly #deleteRows: StatementSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(db: DatabaseSync, blockRows = BLOCK_ROWS) {
    this.#db = db;
    this.#blockRows = blockRows;
    this.#readRows = prepareArrays(
      db,
      `SELECT series, time_ns, step, value FROM sample_row
       WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ${SLICE_ROWS}`,
    );
    this.#deleteRows = db.prepare(
      `DELETE FROM sample_row WHERE key IN
         (SELECT key FROM sample_row WHERE key BETWEEN ? AND ? LIMIT ${SLICE_ROWS})`,
    );
    const runs = prepareArrays(
      db,
      `SELECT run.id, run.state <> 'running', ifnull(sum(stream.samples), 0)
       FROM run LEFT JOIN stream ON stream.run = run.id WHERE NOT run.deleted GROUP BY run.id`,
    );
    for (const [run, ended, committed] of runs.all()) {
      const id = Number(run);
      const compacted = compactedSamples(db, id);
      this.#runs.set(id, { committed: Number(committed), compacted, ended: ended === 1n });
      // Rows of blocks that were there when the last process died may still stand.
      if (compacted > 0) this.#dead.set(id, compacted);
    }
  }

  /** Samples that are rows still. */
  get samplesUncompacted(): number {
    let sum = 0;
    for (const { committed, compacted } of this.#runs.values()) sum += committed - compacted;
    return sum;
  }

  /** So many samples of the run are committed, in all. */
  committed(run: number, samples: number): void {
    this.#state(run).committed = samples;
  }

  /** The run has ended (or goes on again). */
  ended(run: number, ended: boolean): void {
    this.#state(run).ended = ended;
  }

  deleted(run: number): void {
    this.#runs.delete(run);
    this.#dead.delete(run);
    if (this.#block?.run === run) this.#block = null;
  }

  /** Does a few ms of work. Returns whether there was any. */
  work(): boolean {
    if (this.#deleteSome()) return true;
    this.#block ??= this.#nextBlock();
    const block = this.#block;
    if (block === null) return false;
    if (block.rows < block.rowsWanted) this.#read(block);
    else if (block.parts === null) block.parts = partsOf(block);
    else if (block.chunks.length < block.parts.length) encodeSome(block, block.parts);
    else this.#store(block);
    return true;
  }

  #state(run: number): RunState {
    let state = this.#runs.get(run);
    if (state === undefined) {
      state = { committed: 0, compacted: 0, ended: false };
      this.#runs.set(run, state);
    }
    return state;
  }

  #nextBlock(): Block | null {
    for (const [run, { committed, compacted, ended }] of this.#runs) {
      const rowsWanted = Math.min(this.#blockRows, committed - compacted);
      if (rowsWanted < (ended ? Math.min(LAST_BLOCK_ROWS_MIN, this.#blockRows) : this.#blockRows)) {
        continue;
      }
      return {
        run,
        firstNumber: compacted + 1,
        rowsWanted,
        series: new Uint32Array(rowsWanted),
        timeUnixNs: new BigInt64Array(rowsWanted),
        step: new BigInt64Array(rowsWanted),
        value: new Float64Array(rowsWanted),
        rows: 0,
        parts: null,
        axes: [],
        chunks: [],
      };
    }
    return null;
  }

  #read(block: Block): void {
    const { run, firstNumber, rowsWanted } = block;
    const rows = this.#readRows.all(
      keyOf(run, BigInt(firstNumber + block.rows)),
      keyOf(run, BigInt(firstNumber + rowsWanted - 1)),
    );
    if (rows.length === 0) {
      this.#block = null;
      this.#runs.delete(run); // its other rows stay rows
      throw new Error(`samples from number ${firstNumber + block.rows} on of run ${run} are gone`);
    }
    for (const [series, timeNs, step, value] of rows) {
      block.series[block.rows] = Number(series);
      block.timeUnixNs[block.rows] = timeNs as bigint;
      block.step[block.rows] = step === null ? -1n : step as bigint;
      block.value[block.rows] = real(value);
      block.rows++;
    }
  }

  #store(block: Block): void {
    const { run, firstNumber, rows } = block;
    const blockKey = keyOf(run, BigInt(firstNumber));
    const times = extremes(block.timeUnixNs);
    const steps = extremes(block.step.filter((step) => step >= 0n));
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      this.#insert("sample_block", [blockKey, rows, ...times, ...steps]);
      for (const [i, { bytes }] of block.axes.entries()) {
        this.#insert("sample_axis", [blockKey + BigInt(i), bytes]);
      }
      const envelopes = block.chunks.map(({ envelope }) => envelope);
      this.#insert("sample_envelope", [blockKey, Buffer.concat(envelopes)]);
      for (const { series, axis, header, value } of block.chunks) {
        const key = keyOf(series, BigInt(firstNumber));
        this.#insert("sample_chunk", [key, blockKey + BigInt(axis), ...header]);
        this.#insert("sample_values", [key, value]);
        this.#addToSeries(series, header);
      }
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
    this.#block = null;
    const state = this.#state(run);
    state.compacted += rows;
    this.#dead.set(run, state.compacted);
  }

  #insert(table: string, values: (number | bigint | null | Uint8Array)[]): void {
    const marks = values.map(() => "?").join(", ");
    this.#prepared(`INSERT INTO ${table} VALUES (${marks})`).run(...values);
  }

  /** A block may have as many series as rows. */
  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }

  #addToSeries(series: number, header: EncodedChunk["header"]): void {
    const [, samples, firstNs, lastNs, , , , , last] = header;
    this.#prepared(
      `UPDATE series SET samples = samples + ?1, last_value = ?4,
         first_ns = min(ifnull(first_ns, ?2), ?2), last_ns = max(ifnull(last_ns, ?3), ?3)
       WHERE id = ?5`,
    ).run(samples!, firstNs!, lastNs!, last!, series);
  }

  #deleteSome(): boolean {
    for (const [run, lastNumber] of this.#dead) {
      const { changes } = this.#deleteRows.run(keyOf(run, 0n), keyOf(run, BigInt(lastNumber)));
      if (Number(changes) < SLICE_ROWS) this.#dead.delete(run);
      if (Number(changes) > 0) return true;
    }
    return false;
  }
}

/** How many samples of a run are in blocks: all up to this number. */
function compactedSamples(db: DatabaseSync, run: number): number {
  const last = db.prepare(
    `SELECT (key & ${2 ** 40 - 1}) + samples - 1 AS number FROM sample_block
     WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1`,
  ).get(keyOf(run, 0n), lastKeyOf(run));
  return Number(last?.number ?? 0);
}

/** The least and the greatest; nulls where there is none. */
function extremes(values: BigInt64Array): [bigint | null, bigint | null] {
  if (values.length === 0) return [null, null];
  let least = values[0]!, greatest = least;
  for (const value of values) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  return [least, greatest];
}

/** The block's rows by series, in the order in which the series come. */
function partsOf({ series, timeUnixNs, step, value, rows }: Block): SeriesPart[] {
  const seen = new Map<number, { firstPlace: number; count: number }>();
  for (let row = 0; row < rows; row++) {
    const known = seen.get(series[row]!);
    if (known === undefined) seen.set(series[row]!, { firstPlace: row, count: 1 });
    else known.count++;
  }
  const parts = new Map<number, SeriesPart & { filled: number }>();
  for (const [id, { firstPlace, count }] of seen) {
    parts.set(id, {
      series: id,
      timeUnixNs: new BigInt64Array(count),
      step: new BigInt64Array(count),
      place: new BigInt64Array(count),
      value: new Float64Array(count),
      filled: 0,
      firstPlace,
    });
  }
  for (let row = 0; row < rows; row++) {
    const part = parts.get(series[row]!)!;
    const at = part.filled++;
    part.timeUnixNs[at] = timeUnixNs[row]!;
    part.step![at] = step[row]!;
    part.place[at] = BigInt(row - part.firstPlace);
    part.value[at] = value[row]!;
  }
  return Array.from(parts.values(), ({ filled: _, step, ...part }) => ({
    ...part,
    step: step!.every((number) => number < 0n) ? null : step,
  }));
}

function sameColumn(a: BigInt64Array | null, b: BigInt64Array | null): boolean {
  if (a === null || b === null) return a === b;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The number of the block's axis for this part; series that are logged together have the same one. */
function axisOf({ axes }: Block, part: SeriesPart): number {
  const known = axes.findIndex(({ part: other }) =>
    sameColumn(part.timeUnixNs, other.timeUnixNs) && sameColumn(part.step, other.step) &&
    sameColumn(part.place, other.place)
  );
  if (known >= 0) return known;
  const { timeUnixNs, step, place } = part;
  return axes.push({ part, bytes: encodeAxis(timeUnixNs, step, place) }) - 1;
}

function encodeSome(block: Block, parts: readonly SeriesPart[]): void {
  const startedMs = performance.now();
  while (block.chunks.length < parts.length && performance.now() - startedMs < ENCODE_MS) {
    block.chunks.push(encodePart(block, parts[block.chunks.length]!));
  }
}

function encodePart(block: Block, part: SeriesPart): EncodedChunk {
  const { series, firstPlace, timeUnixNs, step, value } = part;
  const [firstTimeUnixNs, lastTimeUnixNs] = extremes(timeUnixNs) as [bigint, bigint];
  const lastStep = step?.findLast((number) => number >= 0n) ?? null;
  let least = Infinity, greatest = -Infinity, sum = 0, numbers = 0;
  for (const number of value) {
    if (Number.isNaN(number)) continue;
    if (number < least) least = number;
    if (number > greatest) greatest = number;
    sum += number;
    numbers++;
  }
  // NaN is bound as NULL.
  const [min, max, mean] = numbers === 0 ? [null, null, null] : [least, greatest, sum / numbers];
  const header = [
    firstPlace,
    value.length,
    firstTimeUnixNs,
    lastTimeUnixNs,
    lastStep,
    min,
    max,
    mean,
  ];
  const axis = axisOf(block, part);
  const times = { firstTimeUnixNs, lastTimeUnixNs, lastStep };
  return {
    series,
    axis,
    header: [...header, value.at(-1)!],
    envelope: encodeEnvelope({ series, axis, ...times, timeUnixNs, step, value }),
    value: encodeValues(value),
  };
}
