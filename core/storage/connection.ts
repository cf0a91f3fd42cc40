/** How connections to the database are opened: one that writes, any number that read. */

import { DatabaseSync } from "node:sqlite";
import { checkVersion, migrate, MIGRATIONS } from "./migrations.ts";
import { storeError } from "./sqlite_errors.ts";
import { StoreUnavailable } from "./store.ts";

/** How long a commit waits for somebody else's write lock, such as a person's shell. */
const LOCK_WAIT_MS = 1_000;
const OWNER_ONLY = 0o600;

const OPTIONS = {
  timeout: LOCK_WAIT_MS,
  enableDoubleQuotedStringLiterals: false,
};

/** A schema that somebody tampered with runs no functions of ours, and damaged pages are found when they are read. */
const DISTRUST = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;";

/**
 * The checkpoints are ours (wal_keeper.ts), never those of the commit that happens to fill a page too many. WAL and
 * -shm get the database's mode.
 */
const WRITER = `
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;`;

const READER = "PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;";

function open(path: string, readOnly: boolean, prepare: (db: DatabaseSync) => void): DatabaseSync {
  let db: DatabaseSync | null = null;
  try {
    // The writer's extension is our own library (column_insert.ts).
    db = new DatabaseSync(path, { ...OPTIONS, readOnly, allowExtension: !readOnly });
    prepare(db);
    return db;
  } catch (error) {
    db?.close();
    throw storeError(error, `open ${path}`);
  }
}

/** Makes the file when it is missing; nobody else of this machine may read it. */
function makePrivate(path: string): void {
  try {
    // Never when it is there: closing a descriptor of a database drops the locks that SQLite has on it in this process.
    Deno.openSync(path, { write: true, createNew: true, mode: OWNER_ONLY }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    Deno.chmodSync(path, OWNER_ONLY);
  }
}

/** Throws `StoreUnavailable`, and `UserError` for a database that is not ours or too new. */
export function connectWriter(path: string): DatabaseSync {
  makePrivate(path);
  return open(path, false, (db) => {
    checkVersion(db, path); // before anything is written to somebody else's database
    db.exec(DISTRUST + WRITER);
    migrate(db, path);
  });
}

/** Its writer has only begun to make it. */
export class DatabaseEmpty extends StoreUnavailable {
  constructor(path: string) {
    super("locked", `${path} has no tables yet`);
  }
}

/** Also recovers the WAL that a killed writer left. Throws as {@link connectWriter}. */
export function connectReader(path: string): DatabaseSync {
  return open(path, true, (db) => {
    db.exec(DISTRUST + READER);
    const version = checkVersion(db, path);
    if (version === 0) throw new DatabaseEmpty(path);
    if (version < MIGRATIONS.length) {
      throw new StoreUnavailable(
        "locked",
        `${path} is of an older telebridge, its schema of version ${version} and not ` +
          `${MIGRATIONS.length}: telebridge serve brings it up to date`,
      );
    }
  });
}
