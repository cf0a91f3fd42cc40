/** The demo: a worker in C that knows nothing of us but the ring, under `telebridge run`, which stores what it prints. */

import { getLogger } from "@logtape/logtape";
import { Backoff, keepRunning } from "../core/backoff.ts";
import { howEnded, killIfAny } from "../core/child.ts";
import { messageOf } from "../core/errors.ts";

const RESTARTS = { firstMs: 500, maxMs: 30_000, wellMs: 60_000 };
/** Time to end by itself before it is killed. */
const STOP_MS_MAX = 3_000;

const logger = getLogger(["telebridge", "demo"]);

export interface DemoOptions {
  /** The worker's executable. */
  path: string;
  /** telebridge, and its first arguments. */
  program: readonly string[];
  /** The server's. */
  dataDir: string;
}

/** Started so that it ends with us, even when we are killed; without util-linux's help it would go on then. */
function spawn([path, ...args]: readonly string[]): Deno.ChildProcess {
  const streams = { stdin: "null", stdout: "null" } as const;
  try {
    const guarded = ["--pdeathsig", "TERM", path!, ...args];
    return new Deno.Command("setpriv", { args: guarded, ...streams }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return new Deno.Command(path!, { args, ...streams }).spawn();
  }
}

/** Each start is a run of its own, as those of a person's training are. */
function newRunId(): string {
  const digits = new Date().toISOString().replaceAll(/\D/g, "");
  return `mountain-car-${digits.slice(0, 8)}-${digits.slice(8, 14)}`;
}

export class DemoWorker {
  readonly #options: DemoOptions;
  readonly #running: Promise<void>;
  #child: Deno.ChildProcess | null = null;
  readonly #stopping = new AbortController();

  private constructor(options: DemoOptions) {
    this.#options = options;
    this.#running = keepRunning({
      backoff: new Backoff({ ...RESTARTS, random: Math.random }),
      signal: this.#stopping.signal,
      runOnce: () => this.#runOnce(),
      onEnd: (end, restartMs) =>
        logger.warn`the demo ${end}; it starts again in ${restartMs / 1000} s`,
    });
  }

  static start(options: DemoOptions): DemoWorker {
    return new DemoWorker(options);
  }

  /** Resolves to how it ended. */
  async #runOnce(): Promise<string> {
    const { path, program, dataDir } = this.#options;
    const runId = newRunId();
    const recorder = [...program, "run", runId, "--tags", "demo", "--quiet", "--data-dir", dataDir];
    try {
      this.#child = spawn([...recorder, "--", path, "--run-id", runId, "--json"]);
    } catch (error) {
      return `did not start: ${messageOf(error)}`;
    }
    const status = await this.#child.status;
    this.#child = null;
    return howEnded(status);
  }

  /** Ends the worker, which removes its segment, and waits until its last rows are stored. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    killIfAny(this.#child, "SIGTERM"); // Ctrl-C in a terminal goes to both of us
    const killTimer = setTimeout(() => killIfAny(this.#child, "SIGKILL"), STOP_MS_MAX);
    await this.#running;
    clearTimeout(killTimer);
  }
}
