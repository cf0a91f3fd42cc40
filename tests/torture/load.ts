/** Clients under torture, and what they know to be stored. */

import { ROOT, type TestBox } from "../harness/box.ts";

/** Far more than one client's life can bring: the step numbers of two never meet. */
const STEPS_A_LIFE = 1_000_000_000n;
const LEDGER_BYTES = 8;

/** One life of one client. */
export interface Ledger {
  /** Its rows' steps are base + 1, base + 2, … */
  base: bigint;
  /** How many of them must be stored, as it had written down itself. */
  safe: bigint;
}

export interface LoadOptions {
  box: TestBox;
  runId: string;
  /** The client's command; its ledger is a u64, little-endian. */
  command: (life: { base: bigint; ledgerPath: string }) => string[];
  environment?: Record<string, string>;
}

/** The publisher of publisher.ts, which counts what was acknowledged as committed. */
export function publisherCommand(
  options: { runId: string; target: string; token?: string; rowsPerSecond: number },
): LoadOptions["command"] {
  const { runId, target, token, rowsPerSecond } = options;
  return ({ base, ledgerPath }) => [
    ...[Deno.execPath(), "run", "--allow-all", "--quiet", "--cached-only"],
    ...[`${ROOT}tests/torture/publisher.ts`, "--target", target, "--run", runId],
    ...["--ledger", ledgerPath, "--base", `${base}`, "--rows-per-second", `${rowsPerSecond}`],
    ...(token === undefined ? [] : ["--token", token]),
  ];
}

/** A worker with the Python client, which counts what was logged, acknowledged or not. `last`: it ends after so many. */
export function pythonCommand(
  options: { python: string; runId: string; stepsPerSecond: number; last?: number },
): LoadOptions["command"] {
  const { python, runId, stepsPerSecond, last } = options;
  return ({ base, ledgerPath }) => [
    ...[python, "-P", `${ROOT}tests/torture/python_worker.py`, runId, ledgerPath],
    ...[`${base}`, `${stepsPerSecond}`, ...(last === undefined ? [] : [`${last}`])],
  ];
}

/** A client that is started again whenever it was killed; each life is a new client with a stream of its own. */
export class Load {
  readonly #options: LoadOptions;
  #child: Deno.ChildProcess | null = null;
  #lives = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    options.box.onEnd(() => this.kill());
  }

  get runId(): string {
    return this.#options.runId;
  }

  #ledgerPath(life: number): string {
    return `${this.#options.box.folder}/${this.runId}.${life}.ledger`;
  }

  start(command = this.#options.command): void {
    const { box, environment } = this.#options;
    const life = this.#lives++;
    const [program, ...args] = command({
      base: BigInt(life) * STEPS_A_LIFE,
      ledgerPath: this.#ledgerPath(life),
    });
    this.#child = new Deno.Command(program!, {
      args,
      env: { ...box.environment, ...environment },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  /** As the kernel's out-of-memory killer does it. */
  async kill(): Promise<void> {
    try {
      this.#child?.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.ended();
  }

  /** Waits until it has ended by itself. Returns its exit code. */
  async ended(): Promise<number> {
    const child = this.#child;
    this.#child = null;
    return child === null ? 0 : (await child.status).code;
  }

  /** Of every life so far. */
  ledgers(): Ledger[] {
    return Array.from({ length: this.#lives }, (_, life) => {
      const entry = new DataView(new ArrayBuffer(LEDGER_BYTES));
      try {
        new Uint8Array(entry.buffer).set(Deno.readFileSync(this.#ledgerPath(life)));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      return { base: BigInt(life) * STEPS_A_LIFE, safe: entry.getBigUint64(0, true) };
    });
  }

  /** Rows of all lives that must be stored. */
  get safe(): bigint {
    return this.ledgers().reduce((sum, { safe }) => sum + safe, 0n);
  }
}

/**
 * Compares what is stored with what must be: of each life the steps base + 1 to base + n for some n that is at least
 * what was written down, each once. Returns the complaints.
 */
export function complaints(ledgers: readonly Ledger[], steps: BigUint64Array): string[] {
  const found: string[] = [];
  const sorted = steps.toSorted();
  let index = 0;
  for (const { base, safe } of ledgers) {
    let count = 0n;
    while (index < sorted.length && sorted[index]! <= base + STEPS_A_LIFE) {
      if (sorted[index] !== base + count + 1n) {
        found.push(`after step ${base + count} comes ${sorted[index]}`);
        return found;
      }
      count++;
      index++;
    }
    if (count < safe) found.push(`of life ${base}: ${safe} must be stored, ${count} are`);
  }
  if (index < sorted.length) found.push(`step ${sorted[index]} is nobody's`);
  return found;
}
