/** What `init` takes. */

import process from "node:process";
import { basename } from "node:path";
import { hostname } from "node:os";

export interface InitOptions {
  /**
   * 1 to 64 letters, digits, dots, dashes and underscores; by default $TELEBRIDGE_RUN, else the script's name and the
   * time.
   */
  run?: string;
  /** Of `telebridge serve`; by default $TELEBRIDGE_URL, else the server of the data directory on this machine. */
  url?: string;
  /** By default the one in the URL, else $TELEBRIDGE_TOKEN. A server on this machine needs none. */
  token?: string;
  /** Of a server on this machine; by default $TELEBRIDGE_DATA_DIR, else ~/.local/share/telebridge. */
  dataDir?: string;
  /** Where rows go while the server is away; by default $TELEBRIDGE_SPOOL_DIR, else ~/.local/state/telebridge/spool. */
  spoolDir?: string;
  tags?: string[];
  /** As by {@link Run.params}. */
  params?: Record<string, unknown>;
  /** Kept with the run, beside host, pid and command line. */
  metadata?: Record<string, unknown>;
  /** Of each series at most so many values a second, the last one always among them; by default all of them. */
  coalesceHz?: number;
  /** Takes complaints, a line each; by default the console's. */
  onWarning?: (line: string) => void;
}

/** Script and time of starting, such as `train-20261121-142530`. */
export function defaultRunId(script: string | undefined, now: Date): string {
  const name = basename(script ?? "").replace(/\.[cm]?[jt]sx?$/, "");
  const safe = name.replaceAll(/[^A-Za-z0-9._-]+/g, "-").replaceAll(/^[._-]+|[._-]+$/g, "");
  const two = (part: number) => String(part).padStart(2, "0");
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  return `${safe.slice(0, 48) || "run"}-${day}-${time}`;
}

/** What is known of this process. */
export function processMetadata(): Record<string, unknown> {
  return {
    client: "typescript",
    host: hostname(),
    pid: process.pid,
    command: process.argv,
    versions: { runtime: process.version },
  };
}
