/** Statements whose rows are arrays with BigInts: five times faster than objects, and exact. */

import type { DatabaseSync, SQLInputValue, SQLOutputValue } from "node:sqlite";

export type ArrayRow = readonly SQLOutputValue[];

export interface ArrayStatement {
  /** node:sqlite's `iterate` swallows errors, so that there is none here: read page by page. */
  all(...values: SQLInputValue[]): ArrayRow[];
  get(...values: SQLInputValue[]): ArrayRow | undefined;
}

export function prepareArrays(db: DatabaseSync, sql: string): ArrayStatement {
  const statement = db.prepare(sql);
  statement.setReadBigInts(true);
  // Not in the type definitions of node:sqlite that Deno ships.
  (statement as unknown as { setReturnArrays(enabled: boolean): void }).setReturnArrays(true);
  return statement as unknown as ArrayStatement;
}
