/** `telebridge agents logs`: the log of an agent's run, as it is stored. */

import { pause } from "../../core/pause.ts";
import type { LogRow } from "../../core/storage/records.ts";
import type { StoreReader } from "../../core/storage/store.ts";
import { LEVELS } from "../replay/format.ts";
import { Output, OutputClosed } from "../replay/output.ts";
import { isoTime, printable } from "../runs/words.ts";

const FOLLOW_EVERY_MS = 200;
/** A line may have 1 MiB. */
const LINES_AT_ONCE = 256;
const SOURCE_CHARS = "supervisor".length;

export interface LogsOptions {
  /** The newest so many. */
  lines: number;
  /** Then what comes. */
  follow: boolean;
  json: boolean;
}

/** Resolves when all is written, or nobody reads any more. With `follow` not before. */
export async function printLogs(
  reader: StoreReader,
  runId: string,
  { lines, follow, json }: LogsOptions,
): Promise<void> {
  const output = new Output();
  const lineOf = json ? jsonLine : shownLine;
  try {
    let page = reader.lastLogs(runId, lines);
    while (true) {
      for (const row of page.rows) await output.write(lineOf(row) + "\n");
      await output.flush();
      if (!follow) return;
      if (page.rows.length === 0) await pause(FOLLOW_EVERY_MS);
      page = reader.logs(runId, {}, page.end, LINES_AT_ONCE);
    }
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
}

function shownLine({ timeUnixNs, source, text }: LogRow): string {
  const shown = Deno.stdout.isTerminal() ? printable(text) : text;
  return `${isoTime(timeUnixNs)} ${source.padEnd(SOURCE_CHARS)} ${shown}`;
}

function jsonLine({ timeUnixNs, level, source, text }: LogRow): string {
  return JSON.stringify({ time: isoTime(timeUnixNs), level: LEVELS[level] ?? level, source, text });
}
