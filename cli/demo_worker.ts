/** The demo run: a worker process of its own, as any worker is. */

import { getLogger } from "@logtape/logtape";
import { messageOf } from "../core/errors.ts";

const RUN_ID = "mountain-car";
const RESTART_MS_FIRST = 500;
const RESTART_MS_MAX = 30_000;
/** One that ran so long was well; the next restart is quick again. */
const WELL_MS = 60_000;
/** Time to end by itself before it is killed. */
const STOP_MS_MAX = 1_000;

const logger = getLogger(["telebridge", "demo"]);

/** Started so that it ends with us, even when we are killed; without util-linux's help it would go on then. */
function spawn(path: string, runId: string): Deno.ChildProcess {
  const options = ["--run-id", runId];
  const streams = { stdin: "null", stdout: "null" } as const;
  try {
    const args = ["--pdeathsig", "TERM", path, ...options];
    return new Deno.Command("setpriv", { args, ...streams }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return new Deno.Command(path, { args: options, ...streams }).spawn();
  }
}

export class DemoWorker {
  readonly #path: string;
  readonly #isLive: (runId: string) => boolean;
  readonly #running: Promise<void>;
  #child: Deno.ChildProcess | null = null;
  #stopping = Promise.withResolvers<void>();
  #stopped = false;

  private constructor(path: string, isLive: (runId: string) => boolean) {
    this.#path = path;
    this.#isLive = isLive;
    this.#running = this.#keepRunning();
  }

  /** `isLive` tells whether a run of that id is being published already, by the demo of another server. */
  static start(path: string, isLive: (runId: string) => boolean): DemoWorker {
    return new DemoWorker(path, isLive);
  }

  /** Restarts it, ever more slowly, when it crashes. */
  async #keepRunning(): Promise<void> {
    let restartMs = RESTART_MS_FIRST;
    while (!this.#stopped) {
      const startedAtMs = Date.now();
      const end = await this.#runOnce();
      if (this.#stopped) return;
      if (Date.now() - startedAtMs > WELL_MS) restartMs = RESTART_MS_FIRST;
      logger.warn`the demo ${end}; it starts again in ${restartMs / 1000} s`;
      await this.#pause(restartMs);
      restartMs = Math.min(restartMs * 2, RESTART_MS_MAX);
    }
  }

  /** Resolves to how it ended. */
  async #runOnce(): Promise<string> {
    const runId = this.#isLive(RUN_ID) ? `${RUN_ID}-${Deno.pid}` : RUN_ID;
    try {
      this.#child = spawn(this.#path, runId);
    } catch (error) {
      return `did not start: ${messageOf(error)}`;
    }
    const { code, signal } = await this.#child.status;
    this.#child = null;
    return signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
  }

  async #pause(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
    await Promise.race([over, this.#stopping.promise]);
    clearTimeout(timer);
  }

  #kill(signal: Deno.Signal): void {
    try {
      this.#child?.kill(signal);
    } catch {
      // It has ended already: Ctrl-C in a terminal goes to both of us.
    }
  }

  /** Ends the worker, which removes its segment. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopping.resolve();
    this.#kill("SIGTERM");
    const killTimer = setTimeout(() => this.#kill("SIGKILL"), STOP_MS_MAX);
    await this.#running;
    clearTimeout(killTimer);
  }
}
