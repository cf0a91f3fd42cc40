/** A check of the doctor's, and what it finds. */

import type { Settings } from "../../core/settings.ts";
import type { Library } from "../../ffi/library.ts";

/**
 * `ok`: as it should be. `note`: good to know, nothing to do. `warn`: worth changing, `serve` runs all the same. `fail`:
 * `serve` cannot run.
 */
export type Level = "ok" | "note" | "warn" | "fail";

/** What to do about a finding. */
export interface Change {
  /** What is lost as it is; a sentence without its full stop. */
  why: string;
  /** One line for a shell. */
  command: string;
}

/** One line of the report. */
export interface Finding {
  name: string;
  level: Level;
  /** For people, short. */
  text: string;
  /** For programs: with --json. Sizes in bytes. */
  facts?: Record<string, unknown>;
  change?: Change;
}

/** What every check is given. */
export interface Box {
  environment: Readonly<Record<string, string>>;
  dataDir: string;
  /** As `serve` would have them. */
  settings: Settings;
  /** null where it could not be loaded. */
  library: Library | null;
  /** This program, to start a probe by. */
  program: readonly string[];
  nowMs: number;
}

export interface Check {
  name: string;
  /** It has answered by then, or is left behind. */
  msMax?: number;
  /** The signal comes when that time is over: what the check has started ends then. */
  run(box: Box, signal: AbortSignal): readonly Finding[] | Promise<readonly Finding[]>;
}
