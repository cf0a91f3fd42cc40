/** The last moment of a process: what is in memory alone goes to the disk at once. Nothing asynchronous happens any more. */

import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Batch } from "./lane.ts";
import { rowRecord, type StreamAbout } from "./spool.ts";

/** Without an owner the folder is whoever's comes first. Throws what the file system says. */
export function spoolAtExit(
  directory: string,
  folder: string | null,
  about: StreamAbout,
  batches: readonly Batch[],
): void {
  const target = folder ?? join(directory, `ts-${about.streamId}`);
  if (folder === null) {
    mkdirSync(target, { recursive: true, mode: 0o700 });
    writeFileSync(join(target, "about.json"), JSON.stringify(about), { mode: 0o600 });
  }
  for (const batch of batches) {
    appendFileSync(join(target, "rows"), rowRecord(batch), { mode: 0o600 });
  }
  rmSync(join(target, "owner.json"), { force: true });
}
