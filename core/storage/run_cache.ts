/** What the writer knows by heart of the runs that it writes: what stands in the database, and nothing else. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ROW_KINDS, type RowKind, type StreamKey } from "./records.ts";

export type Sequences = Record<RowKind, bigint>;

export interface WriterRun {
  id: number;
  /** Rows of each kind, of all streams: the number of the newest one. */
  rows: Sequences;
  /** Numbers of series by name. */
  series: Map<string, number>;
}

export interface WriterStream {
  id: number;
  run: WriterRun;
  committed: Sequences;
  lastTimeUnixNs: bigint;
}

/** Of runs and streams. More are forgotten, and looked up again where they are needed: a server may run for months. */
const ENTRIES_MAX = 16_384;

/** Runs, streams and series of the database by their names. After a failed transaction it is thrown away. */
export class RunCache {
  readonly #runs = new Map<string, WriterRun>();
  readonly #streams = new Map<string, WriterStream>();
  /** They differ from the database's rows. */
  readonly #changed = new Set<WriterStream>();
  readonly #findRun: StatementSync;
  readonly #sumRows: StatementSync;
  readonly #findStream: StatementSync;
  readonly #addStream: StatementSync;
  readonly #updateStream: StatementSync;
  readonly #listSeries: StatementSync;
  readonly #addSeries: StatementSync;
  readonly #isDeleted: StatementSync;

  constructor(db: DatabaseSync) {
    const kinds = ROW_KINDS.join(", ");
    this.#findRun = db.prepare("SELECT id FROM run WHERE name = ? AND NOT deleted");
    this.#sumRows = db.prepare(
      `SELECT ${ROW_KINDS.map((kind) => `ifnull(sum(${kind}), 0) AS ${kind}`).join(", ")}
       FROM stream WHERE run = ?`,
    );
    this.#findStream = db.prepare(
      `SELECT id, last_ns, ${kinds} FROM stream WHERE run = ? AND uuid = ?`,
    );
    this.#addStream = db.prepare("INSERT INTO stream (run, uuid) VALUES (?, ?)");
    this.#updateStream = db.prepare(
      `UPDATE stream SET last_ns = ?, ${ROW_KINDS.map((kind) => `${kind} = ?`).join(", ")}
       WHERE id = ?`,
    );
    this.#listSeries = db.prepare("SELECT id, name FROM series WHERE run = ?");
    this.#addSeries = db.prepare("INSERT INTO series (run, name) VALUES (?, ?)");
    this.#isDeleted = db.prepare(
      `SELECT 1 FROM stream JOIN run ON run.id = stream.run
       WHERE stream.uuid = ? AND run.name = ? AND run.deleted`,
    );
    for (const statement of [this.#sumRows, this.#findStream]) statement.setReadBigInts(true);
  }

  /** Null where there is no such run. */
  run(name: string): WriterRun | null {
    const known = this.#runs.get(name);
    if (known !== undefined) return known;
    const found = this.#findRun.get(name);
    if (found === undefined) return null;
    const id = Number(found.id);
    const series = this.#listSeries.all(id).map((row) =>
      [String(row.name), Number(row.id)] as const
    );
    const run = {
      id,
      rows: { ...this.#sumRows.get(id)! } as Sequences,
      series: new Map(series),
    };
    this.#runs.set(name, run);
    return run;
  }

  /** Takes up the stream of a run, or makes it. */
  stream(run: WriterRun, { runId, streamId }: StreamKey): WriterStream {
    const key = `${runId}/${streamId}`;
    const known = this.#streams.get(key);
    if (known !== undefined) return known;
    const found = this.#findStream.get(run.id, streamId);
    let stream: WriterStream;
    if (found === undefined) {
      const id = Number(this.#addStream.run(run.id, streamId).lastInsertRowid);
      stream = { id, run, committed: noRows(), lastTimeUnixNs: 0n };
    } else {
      const { id, last_ns, ...committed } = found as { id: bigint; last_ns: bigint } & Sequences;
      stream = { id: Number(id), run, committed, lastTimeUnixNs: last_ns };
    }
    this.#streams.set(key, stream);
    return stream;
  }

  /** Whether the stream belongs to a run of this name that was deleted. */
  isDeleted({ runId, streamId }: StreamKey): boolean {
    return !this.#streams.has(`${runId}/${streamId}`) &&
      this.#isDeleted.get(streamId, runId) !== undefined;
  }

  /** The database's numbers of these series of a run; those that are new are made. */
  seriesIds(run: WriterRun, names: readonly string[]): number[] {
    return names.map((name) => {
      let id = run.series.get(name);
      if (id === undefined) {
        id = Number(this.#addSeries.run(run.id, name).lastInsertRowid);
        run.series.set(name, id);
      }
      return id;
    });
  }

  /** The stream has come further. */
  changed(stream: WriterStream): void {
    this.#changed.add(stream);
  }

  /** It is time for another one. */
  get isLarge(): boolean {
    return this.#runs.size + this.#streams.size > ENTRIES_MAX;
  }

  /** Writes how far streams have come since the last call. Returns the runs that are theirs. */
  writeStreams(): Set<WriterRun> {
    const runs = new Set<WriterRun>();
    for (const stream of this.#changed) {
      const marks = ROW_KINDS.map((kind) => stream.committed[kind]);
      this.#updateStream.run(stream.lastTimeUnixNs, ...marks, stream.id);
      runs.add(stream.run);
    }
    this.#changed.clear();
    return runs;
  }
}

export function noRows(): Sequences {
  return Object.fromEntries(ROW_KINDS.map((kind) => [kind, 0n])) as Sequences;
}
