/** The tables of runs and their tags. */

import type { DatabaseSync } from "node:sqlite";
import { type ArrayRow, type ArrayStatement, prepareArrays } from "./array_statement.ts";
import { keyOf, lastKeyOf } from "./keys.ts";
import { ROW_KINDS, type RowKind, type RunRecord, type RunState } from "./records.ts";
import { ROW_TABLES, storableText } from "./row_tables.ts";
import type { RunRegistration } from "./store.ts";

/** Rows of deleted runs that go in one transaction: a few ms. */
const DELETED_ROWS_MAX = 2_000;
/** Tables of compacted samples: keys of the former begin with a run, of the latter with a series. */
const BLOCK_TABLES = ["sample_block", "sample_axis", "sample_envelope"];
const CHUNK_TABLES = ["sample_chunk", "sample_values"];

/** Runs as records; `which` is what follows FROM run. */
export function selectRuns(which: string): string {
  const counts = ROW_KINDS.map((kind) => `ifnull(sum(stream.${kind}), 0)`).join(", ");
  return `SELECT run.id, run.name, run.state, run.start_ns, ifnull(max(stream.last_ns), 0),
      run.end_ns, run.note, run.metadata, run.reason,
      (SELECT json_group_array(tag) FROM (SELECT tag FROM run_tag WHERE run = run.id ORDER BY tag)),
      ${counts}
    FROM run LEFT JOIN stream ON stream.run = run.id ${which}`;
}

export class RunTable {
  readonly #db: DatabaseSync;
  readonly #find: ArrayStatement;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#find = prepareArrays(
      db,
      selectRuns("WHERE run.name = ? AND NOT run.deleted GROUP BY run.id"),
    );
  }

  /** Returns whether the run is new. */
  register({ stream, startTimeUnixNs, tags, metadataJson }: RunRegistration): boolean {
    const name = stream.runId;
    const known = this.#id(name);
    if (known === null) {
      this.#run(
        `INSERT INTO run (name, state, start_ns, end_ns, note, metadata, reason, deleted)
         VALUES (?, 'running', ?, 0, '', ?, '', 0)`,
        name,
        startTimeUnixNs,
        storableText(metadataJson),
      );
    } else {
      this.#run("UPDATE run SET state = 'running', end_ns = 0, reason = '' WHERE id = ?", known);
      if (metadataJson !== "") {
        this.#run("UPDATE run SET metadata = ? WHERE id = ?", storableText(metadataJson), known);
      }
    }
    this.#addTags(this.#id(name)!, tags);
    return known === null;
  }

  finish(name: string, end: { timeUnixNs: bigint; state: RunState; reason: string }): boolean {
    const id = this.#id(name);
    if (id === null) return false;
    this.#run(
      "UPDATE run SET state = ?, end_ns = ?, reason = ? WHERE id = ?",
      end.state,
      end.timeUnixNs,
      storableText(end.reason),
      id,
    );
    return true;
  }

  update(
    name: string,
    { addTags = [], removeTags = [], note }: {
      addTags?: string[];
      removeTags?: string[];
      note?: string;
    },
  ): RunRecord | null {
    const id = this.#id(name);
    if (id === null) return null;
    for (const tag of removeTags) {
      this.#run("DELETE FROM run_tag WHERE run = ? AND tag = ?", id, tag);
    }
    this.#addTags(id, addTags);
    if (note !== undefined) {
      this.#run("UPDATE run SET note = ? WHERE id = ?", storableText(note), id);
    }
    return this.#record(name)!;
  }

  /** Nobody finds the run any more; its rows stay until {@link removeDeletedRows} has come to them. */
  delete(name: string): Record<RowKind, number> | null {
    const record = this.#record(name);
    if (record === null) return null;
    const id = this.#id(name)!;
    this.#run("UPDATE run SET deleted = 1, state = 'deleted', note = '' WHERE id = ?", id);
    this.#run("DELETE FROM run_tag WHERE run = ?", id);
    return record.counts;
  }

  /** Removes some rows of deleted runs. Returns whether there may be more of them. */
  removeDeletedRows(): boolean {
    const run = this.#db.prepare("SELECT id FROM run WHERE deleted = 1 LIMIT 1").get();
    if (run === undefined) return false;
    const id = Number(run.id);
    const tables = [...Object.values(ROW_TABLES).map(({ table }) => table), ...BLOCK_TABLES];
    if (tables.some((table) => this.#removeSome(table, id))) return true;
    const series = this.#db.prepare("SELECT id FROM series WHERE run = ? LIMIT 1").get(id);
    if (series !== undefined) {
      const seriesId = Number(series.id);
      if (CHUNK_TABLES.some((table) => this.#removeSome(table, seriesId))) return true;
      this.#run("DELETE FROM series WHERE id = ?", seriesId);
      return true;
    }
    // Its streams stay, so that what their clients still have is refused.
    this.#run("UPDATE run SET deleted = 2 WHERE id = ?", id);
    return true;
  }

  /** Keys of the table begin with this run or series. Returns whether there was something. */
  #removeSome(table: string, owner: number): boolean {
    const { changes } = this.#run(
      `DELETE FROM ${table} WHERE key IN
         (SELECT key FROM ${table} WHERE key BETWEEN ? AND ? LIMIT ${DELETED_ROWS_MAX})`,
      keyOf(owner, 0n),
      lastKeyOf(owner),
    );
    return changes > 0;
  }

  #id(name: string): number | null {
    const found = this.#db.prepare("SELECT id FROM run WHERE name = ? AND NOT deleted").get(name);
    return found === undefined ? null : Number(found.id);
  }

  #record(name: string): RunRecord | null {
    const row = this.#find.get(name);
    return row === undefined ? null : runOf(row);
  }

  #addTags(id: number, tags: readonly string[]): void {
    for (const tag of tags) {
      this.#run("INSERT INTO run_tag VALUES (?, ?) ON CONFLICT DO NOTHING", id, storableText(tag));
    }
  }

  #run(sql: string, ...values: (string | number | bigint)[]): { changes: number } {
    return { changes: Number(this.#db.prepare(sql).run(...values).changes) };
  }
}

/** Of a row of {@link selectRuns}. */
export function runOf(row: ArrayRow): RunRecord {
  const [, runId, state, startNs, lastNs, endNs, note, metadataJson, reason, tags, ...counts] = row;
  return {
    runId: runId as string,
    state: state as RunState,
    startTimeUnixNs: startNs as bigint,
    lastTimeUnixNs: lastNs as bigint,
    endTimeUnixNs: endNs as bigint,
    tags: JSON.parse(tags as string),
    note: note as string,
    metadataJson: metadataJson as string,
    reason: reason as string,
    counts: Object.fromEntries(ROW_KINDS.map((kind, i) => [kind, Number(counts[i])])) as Record<
      RowKind,
      number
    >,
  };
}
