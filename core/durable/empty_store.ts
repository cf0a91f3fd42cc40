/** What a reader of a data directory finds in which nothing has been stored yet. */

import type { SampleColumns, StepColumns } from "../storage/records.ts";
import type { Page, StoreReader } from "../storage/store.ts";

const BEGINNING = "0";

function nothing<Rows>(rows: Rows): Page<Rows> {
  return { rows, next: null, end: BEGINNING };
}

const NO_STEPS: StepColumns = {
  step: new BigUint64Array(),
  timeUnixNs: new BigInt64Array(),
  episode: new BigUint64Array(),
  reward: new Float64Array(),
  flags: new Uint8Array(),
  extraJson: null,
};

const NO_SAMPLES: SampleColumns = {
  names: [],
  series: new Uint32Array(),
  timeUnixNs: new BigInt64Array(),
  step: null,
  value: new Float64Array(),
};

export const EMPTY_STORE: StoreReader = {
  runs: () => nothing([]),
  run: () => null,
  params: () => [],
  series: () => [],
  steps: () => nothing(NO_STEPS),
  episodes: () => nothing([]),
  samples: () => nothing(NO_SAMPLES),
  logs: () => nothing([]),
  lastLogs: () => nothing([]),
  histograms: () => nothing([]),
  checkpoints: () => [],
  windows: () => [],
  [Symbol.dispose]() {},
};
