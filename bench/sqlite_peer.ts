/** The same rows into SQLite by a C program: the peer of the store. */

import type { TestBox } from "../tests/harness/box.ts";
import { PROGRAMS } from "./video_runs.ts";

/** Rows per second of a prepared statement, `rowsPerTransaction` a commit. */
export async function sqliteRowsPerSecond(
  box: TestBox,
  options: { rows: number; rowsPerTransaction: number },
): Promise<number> {
  const path = `${box.folder}/peer-${crypto.randomUUID()}.db`;
  const { success, stdout } = await new Deno.Command(`${PROGRAMS}/sqlite_rows`, {
    args: [path, String(options.rows), String(options.rowsPerTransaction)],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("sqlite_rows failed");
  for (const end of ["", "-wal", "-shm"]) await Deno.remove(path + end).catch(() => {});
  return Number(new TextDecoder().decode(stdout));
}
