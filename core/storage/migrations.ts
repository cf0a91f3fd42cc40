/** The schema's versions: each is one file of migrations/ and one row here, and none ever changes. */

import type { DatabaseSync } from "node:sqlite";
import { UserError } from "../errors.ts";
import { rows } from "./migrations/0001_rows.ts";
import { views } from "./migrations/0002_views.ts";

/** SQL that leads from version n to n + 1, n being the index. */
export const MIGRATIONS: readonly string[] = [rows, views];

/** In the file's header, where `file` finds it: "TBDG". */
export const APPLICATION_ID = 0x5442_4447;

function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0]);
}

/**
 * Throws {@link UserError} for a database of another program or of a newer version of this one. `path` is for its
 * message. Returns the schema's version.
 */
export function checkVersion(db: DatabaseSync, path: string): number {
  const version = pragma(db, "user_version");
  const tables = Number(db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()!.n);
  if (tables > 0 && pragma(db, "application_id") !== APPLICATION_ID) {
    throw new UserError(`${path} is a database, but not one of telebridge`);
  }
  if (version > MIGRATIONS.length) {
    throw new UserError(
      `${path} was written by a newer telebridge: its schema is version ${version}, this one knows ${MIGRATIONS.length}`,
    );
  }
  return version;
}

/** Brings the schema to the newest version; each step of it happens wholly or not at all. */
export function migrate(db: DatabaseSync, path: string): void {
  for (let version = checkVersion(db, path); version < MIGRATIONS.length; version++) {
    db.exec(
      `BEGIN IMMEDIATE; ${MIGRATIONS[version]};
       PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version + 1}; COMMIT`,
    );
  }
}
