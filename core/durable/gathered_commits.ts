/** What was committed of one run since viewers were told last, bounded: beyond the limit they are told to read the rows. */

import {
  type Commits,
  encodeF64,
  encodeJson,
  MessageType,
  type StoredRowCounts,
} from "../../proto/wire.ts";
import { NO_STEP, type RowKind, type SampleColumns } from "../storage/records.ts";

/**
 * Of the samples in one message, about: time, step and value of each as base64, and the series' names. Ten such
 * messages a second are far more than a chart can show.
 */
export const SAMPLES_BYTES_MAX = 128 * 1024;
const SAMPLE_BYTES = 32;
const SERIES_BYTES = 64;
const NS_PER_S = 1e9;

interface SeriesColumns {
  timeUnixS: number[];
  step: number[];
  value: number[];
}

export class GatheredCommits {
  readonly #runId: string;
  readonly #rows: Partial<StoredRowCounts> = {};
  readonly #series = new Map<string, SeriesColumns>();
  #bytes = 0;
  /** Encoded for those who have missed nothing, and for those who have. */
  #messages: (Uint8Array<ArrayBuffer> | undefined)[] = [];
  /** Samples were left out. */
  missed = false;

  constructor(runId: string) {
    this.#runId = runId;
  }

  add(rows: Partial<Record<RowKind, number>>, samples: SampleColumns | null): void {
    this.#messages = [];
    for (const [kind, count] of Object.entries(rows) as [RowKind, number][]) {
      this.#rows[kind] = (this.#rows[kind] ?? 0) + count;
    }
    if (samples !== null && !this.missed) this.#addSamples(samples);
  }

  #addSamples(samples: SampleColumns): void {
    for (let row = 0; row < samples.series.length; row++) {
      const name = samples.names[samples.series[row]!]!;
      let columns = this.#series.get(name);
      this.#bytes += SAMPLE_BYTES + (columns === undefined ? SERIES_BYTES + name.length : 0);
      if (this.#bytes > SAMPLES_BYTES_MAX) {
        // A part of them would be drawn as if it were all: whoever reads the rows needs none.
        this.missed = true;
        this.#series.clear();
        return;
      }
      if (columns === undefined) {
        columns = { timeUnixS: [], step: [], value: [] };
        this.#series.set(name, columns);
      }
      const step = samples.step?.[row] ?? NO_STEP;
      columns.timeUnixS.push(Number(samples.timeUnixNs[row]!) / NS_PER_S);
      columns.step.push(step === NO_STEP ? NaN : Number(step));
      columns.value.push(samples.value[row]!);
    }
  }

  /** The Commits message; `missed`: its viewer has not been told of something before. */
  message(missed: boolean): Uint8Array<ArrayBuffer> {
    const toRead = missed || this.missed;
    return this.#messages[Number(toRead)] ??= this.#encode(toRead);
  }

  #encode(missed: boolean): Uint8Array<ArrayBuffer> {
    const f64 = (values: number[]) => encodeF64(Float64Array.from(values));
    const commits: Commits = {
      run: this.#runId,
      rows: this.#rows,
      missed,
      samples: [...this.#series].map(([name, { timeUnixS, step, value }]) => ({
        name,
        timeUnixS: f64(timeUnixS),
        step: f64(step),
        value: f64(value),
      })),
    };
    return encodeJson(MessageType.Commits, 0, commits);
  }
}
