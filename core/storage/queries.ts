/** A reader's statements, each prepared once, and what several of its parts ask. */

import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { type ArrayRow, type ArrayStatement, prepareArrays } from "./array_statement.ts";
import { keyOf, lastKeyOf, numberOf } from "./keys.ts";
import type { RowKind } from "./records.ts";

export class Queries {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, ArrayStatement>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  all(sql: string, ...values: SQLInputValue[]): ArrayRow[] {
    return this.#statement(sql).all(...values);
  }

  get(sql: string, ...values: SQLInputValue[]): ArrayRow | undefined {
    return this.#statement(sql).get(...values);
  }

  #statement(sql: string): ArrayStatement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = prepareArrays(this.#db, sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** The number of the run's newest row of a kind. */
export function rowsCommitted(queries: Queries, run: number, kind: RowKind): bigint {
  const [rows] = queries.get(`SELECT ifnull(sum(${kind}), 0) FROM stream WHERE run = ?`, run)!;
  return rows as bigint;
}

/** The number of the run's newest sample that is in a block: rows up to it do not count. */
export function samplesCompacted(queries: Queries, run: number): bigint {
  const block = queries.get(
    "SELECT key, samples FROM sample_block WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1",
    keyOf(run, 0n),
    lastKeyOf(run),
  );
  return block === undefined ? 0n : numberOf(block[0] as bigint) + (block[1] as bigint) - 1n;
}

export interface SeriesId {
  id: number;
  name: string;
}

/** By name; null: all. */
export function seriesOf(
  queries: Queries,
  run: number,
  names: readonly string[] | null,
): SeriesId[] {
  const all = queries.all("SELECT id, name FROM series WHERE run = ? ORDER BY name", run)
    .map(([id, name]) => ({ id: Number(id), name: name as string }));
  return names === null ? all : all.filter(({ name }) => names.includes(name));
}
