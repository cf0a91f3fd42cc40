/** Publishers under torture, and what they know to be stored. */

import { ROOT, type TestBox } from "../harness/box.ts";

/** Far more than one publisher's life can bring: the step numbers of two never meet. */
const STEPS_A_LIFE = 1_000_000_000n;
const LEDGER_BYTES = 16;

/** One life of one publisher. */
export interface Ledger {
  /** Its rows' steps are base + 1, base + 2, … */
  base: bigint;
  /** Acknowledged as committed. */
  committed: bigint;
  /** Acknowledged as synced. */
  synced: bigint;
}

export interface LoadOptions {
  box: TestBox;
  runId: string;
  /** gRPC address. */
  target: string;
  token?: string;
  rowsPerSecond?: number;
  synced?: boolean;
}

/** A publisher that is started again whenever it was killed; each life is a new client with a stream of its own. */
export class Load {
  readonly #options: LoadOptions;
  #child: Deno.ChildProcess | null = null;
  #lives = 0;

  get runId(): string {
    return this.#options.runId;
  }

  constructor(options: LoadOptions) {
    this.#options = options;
    options.box.onEnd(() => this.kill());
  }

  #ledgerPath(life: number): string {
    return `${this.#options.box.folder}/${this.#options.runId}.${life}.ledger`;
  }

  start(): void {
    const { target, runId, token, rowsPerSecond = 20_000, synced = false } = this.#options;
    const life = this.#lives++;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--allow-all", "--quiet", "--cached-only", `${ROOT}tests/torture/publisher.ts`],
        ...["--target", target, "--run", runId, "--ledger", this.#ledgerPath(life)],
        ...["--base", String(BigInt(life) * STEPS_A_LIFE)],
        ...["--rows-per-second", String(rowsPerSecond)],
        ...(token === undefined ? [] : ["--token", token]),
        ...(synced ? ["--synced"] : []),
      ],
      env: this.#options.box.environment,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  /** As the kernel's out-of-memory killer does it. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await child.status;
  }

  /** Of every life so far; zeros for one that was never acknowledged anything. */
  ledgers(): Ledger[] {
    return Array.from({ length: this.#lives }, (_, life) => {
      const entry = new DataView(new ArrayBuffer(LEDGER_BYTES));
      try {
        new Uint8Array(entry.buffer).set(Deno.readFileSync(this.#ledgerPath(life)));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      return {
        base: BigInt(life) * STEPS_A_LIFE,
        committed: entry.getBigUint64(0, true),
        synced: entry.getBigUint64(8, true),
      };
    });
  }

  /** Rows acknowledged in this life. */
  get committed(): bigint {
    return this.ledgers().at(-1)?.committed ?? 0n;
  }
}

/**
 * Compares what is stored with what was acknowledged: of each life the steps base + 1 to base + n for some n that is at
 * least what was acknowledged, each once. Returns the complaints.
 */
export function complaints(ledgers: readonly Ledger[], steps: BigUint64Array): string[] {
  const found: string[] = [];
  const sorted = steps.toSorted();
  let index = 0;
  for (const { base, committed } of ledgers) {
    let count = 0n;
    while (index < sorted.length && sorted[index]! <= base + STEPS_A_LIFE) {
      if (sorted[index] !== base + count + 1n) {
        found.push(`after step ${base + count} comes ${sorted[index]}`);
        return found;
      }
      count++;
      index++;
    }
    if (count < committed) {
      found.push(`of life ${base}: ${committed} acknowledged, ${count} stored`);
    }
  }
  if (index < sorted.length) found.push(`step ${sorted[index]} is nobody's`);
  return found;
}
