/** SQLite's failures as {@link StoreUnavailable}, at the border. */

import { messageOf } from "../errors.ts";
import { StoreUnavailable } from "./store.ts";

/** Primary result codes (https://www.sqlite.org/rescode.html). */
const FAILURES: Readonly<Record<number, [StoreUnavailable["why"], string]>> = {
  5: ["locked", "another process holds the database's write lock"],
  6: ["locked", "the database is locked"],
  7: ["io", "out of memory"],
  8: ["io", "the database can only be read"],
  10: ["io", "the disk failed to read or write"],
  11: ["corrupt", "the database file is damaged"],
  13: ["full", "the disk is full"],
  14: ["io", "the database cannot be opened"],
  26: ["corrupt", "the file is not a database"],
};

/** node:sqlite gives no code for errors of `exec`, but SQLite's own words (sqlite3_errstr). */
const CODE_OF_TEXT: readonly [RegExp, number][] = [
  [/database is locked/, 5],
  [/database table is locked/, 6],
  [/out of memory/, 7],
  [/readonly database/, 8],
  [/disk I\/O error/, 10],
  [/malformed/, 11],
  [/disk is full/, 13],
  [/unable to open database/, 14],
  [/not a database/, 26],
];

/** The primary result code of what node:sqlite threw; null for something else. */
function codeOf(error: unknown): number | null {
  if (!(error instanceof Error)) return null;
  const { errcode } = error as { errcode?: number };
  if (errcode !== undefined) return errcode & 0xff;
  return CODE_OF_TEXT.find(([text]) => text.test(error.message))?.[1] ?? null;
}

/** `doing`: "commit 3 messages to /data/telebridge.db". Returns bugs as they are. */
export function storeError(error: unknown, doing: string): unknown {
  const failure = FAILURES[codeOf(error) ?? 0];
  if (failure === undefined || error instanceof StoreUnavailable) return error;
  const [why, meaning] = failure;
  return new StoreUnavailable(why, `cannot ${doing}: ${meaning} (${messageOf(error)})`);
}
