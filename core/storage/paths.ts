/** Where a data directory keeps what is stored. */

import { join } from "node:path";

export function databasePath(dataDir: string): string {
  return join(dataDir, "telebridge.db");
}

/** A checkpoint's bytes; `sha256` has 64 hexadecimal digits. One folder for each first byte keeps folders small. */
export function checkpointPath(dataDir: string, sha256: string): string {
  return join(dataDir, "files", sha256.slice(0, 2), sha256);
}
