/** What commands share that read stored runs. */

import { UserError } from "../core/errors.ts";
import { nearNames } from "../core/near_names.ts";
import type { RunRecord } from "../core/storage/records.ts";
import { databasePath, openReader } from "../core/storage/open.ts";
import type { Cursor, StoreReader } from "../core/storage/store.ts";

const RUNS_PER_PAGE = 500;

/** Throws {@link UserError} where nothing has been stored yet. */
export function openStoredRuns(dataDir: string): StoreReader {
  const reader = openReader(databasePath(dataDir));
  if (reader !== null) return reader;
  throw new UserError(`no run has been stored in ${dataDir} yet (--data-dir DIR names another)`);
}

/** Throws {@link UserError} that names runs like it. */
export function storedRun(reader: StoreReader, runId: string): RunRecord {
  const run = reader.run(runId);
  if (run !== null) return run;
  const near = nearNames(runId, [...allRuns(reader)].map((other) => other.runId));
  const hint = near.length > 0 ? `did you mean ${near.join(", ")}?` : "telebridge runs lists them";
  throw new UserError(`there is no stored run "${runId}"; ${hint}`);
}

/** Newest first. */
export function* allRuns(reader: StoreReader, tags: string[] = []): Generator<RunRecord> {
  let after: Cursor | undefined;
  do {
    const page = reader.runs({ tags, limit: RUNS_PER_PAGE, after });
    yield* page.rows;
    after = page.next ?? undefined;
  } while (after !== undefined);
}
