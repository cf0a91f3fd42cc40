/** Runs written into a real store, as the ingest process writes them, without one. */

import type { RowKind, RowsByKind, RunState } from "../../core/storage/records.ts";
import type { StoreWriter } from "../../core/storage/store.ts";

export const START_UNIX_NS = 1_795_257_600_000_000_000n;
const NS_PER_MS = 1_000_000n;

/** ms after the start of the runs here. */
export function atMs(ms: number): bigint {
  return START_UNIX_NS + BigInt(ms) * NS_PER_MS;
}

/** One client's rows of one run; sequences are counted here. */
export class StoredRun {
  readonly runId: string;
  readonly #writer: StoreWriter;
  readonly #streamId = crypto.randomUUID().replaceAll("-", "");
  readonly #sequences = new Map<RowKind, bigint>();

  constructor(
    writer: StoreWriter,
    runId: string,
    options: { startTimeUnixNs?: bigint; tags?: string[]; metadataJson?: string } = {},
  ) {
    this.#writer = writer;
    this.runId = runId;
    const { startTimeUnixNs = START_UNIX_NS, tags = [], metadataJson = "{}" } = options;
    const stream = { runId, streamId: this.#streamId };
    writer.registerRun({ stream, startTimeUnixNs, tags, metadataJson });
  }

  add<Kind extends RowKind>(kind: Kind, rows: RowsByKind[Kind]): void {
    const count = Array.isArray(rows) ? rows.length : rows.timeUnixNs.length;
    const firstSequence = (this.#sequences.get(kind) ?? 0n) + 1n;
    this.#sequences.set(kind, firstSequence + BigInt(count) - 1n);
    const stream = { runId: this.runId, streamId: this.#streamId };
    const batch = { kind, stream, firstSequence, count, rows } as Parameters<
      StoreWriter["commit"]
    >[0][number];
    const [result] = this.#writer.commit([batch]);
    if (result!.outcome !== "committed") throw new Error(Deno.inspect(result));
  }

  /** Steps at these times, in this order; ten steps an episode. */
  addSteps(steps: { ms: number; step: number; reward?: number; extraJson?: string }[]): void {
    this.add("steps", {
      step: BigUint64Array.from(steps, ({ step }) => BigInt(step)),
      timeUnixNs: BigInt64Array.from(steps, ({ ms }) => atMs(ms)),
      episode: BigUint64Array.from(steps, ({ step }) => BigInt(Math.floor(step / 10))),
      reward: Float64Array.from(steps, ({ reward }) => reward ?? 1),
      flags: Uint8Array.from(steps, ({ step }) => step % 10 === 9 ? 1 : 0),
      extraJson: steps.some(({ extraJson }) => extraJson !== undefined)
        ? steps.map(({ extraJson }) => extraJson ?? "")
        : null,
    });
  }

  addSamples(samples: { ms: number; series: string; value: number; step?: number }[]): void {
    const names = [...new Set(samples.map(({ series }) => series))];
    const none = 2n ** 64n - 1n;
    this.add("samples", {
      names,
      series: Uint32Array.from(samples, ({ series }) => names.indexOf(series)),
      timeUnixNs: BigInt64Array.from(samples, ({ ms }) => atMs(ms)),
      step: BigUint64Array.from(samples, ({ step }) => step === undefined ? none : BigInt(step)),
      value: Float64Array.from(samples, ({ value }) => value),
    });
  }

  addEpisode(episode: number, fromMs: number, toMs: number): void {
    this.add("episodes", [{
      episode: BigInt(episode),
      startTimeUnixNs: atMs(fromMs),
      endTimeUnixNs: atMs(toMs),
      firstStep: BigInt(episode * 10),
      length: 10n,
      episodeReturn: episode + 0.5,
      terminated: true,
      truncated: false,
      extraJson: "",
    }]);
  }

  addLog(ms: number, text: string): void {
    this.add("logs", [{ timeUnixNs: atMs(ms), level: 2, source: "stdout", text, step: null }]);
  }

  finish(ms: number, state: RunState = "finished"): void {
    this.#writer.finishRun(this.runId, { timeUnixNs: atMs(ms), state, reason: "" });
  }
}
