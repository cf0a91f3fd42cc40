/** Pages of samples in the order of their commits, those in blocks first and then those that are rows still. */

import { type BlockRows, blockRows } from "./block_reader.ts";
import { pageOf } from "./cursor.ts";
import { keyOf, lastKeyOf, numberOf } from "./keys.ts";
import { type Queries, rowsCommitted, samplesCompacted, seriesOf } from "./queries.ts";
import { NO_STEP, type SampleColumns } from "./records.ts";
import { real } from "./row_decode.ts";
import { filterOf, RANGES } from "./row_filter.ts";
import type { Page, RowRange } from "./store.ts";

export const NO_SAMPLES: SampleColumns = {
  names: [],
  series: new Uint32Array(),
  timeUnixNs: new BigInt64Array(),
  step: null,
  value: new Float64Array(),
};

interface Wanted {
  range: RowRange;
  /** Number of the last row that the caller has. */
  seen: bigint;
  limit: number;
  names: readonly string[] | null;
}

/** One sample on its way into a page. */
interface Sample {
  number: bigint;
  series: number;
  timeUnixNs: bigint;
  /** -1: none. */
  step: bigint;
  value: number;
}

export class SamplePages {
  readonly #queries: Queries;
  /** The block that was read last, since pages are often smaller. A key is never used again for another one. */
  #last: { key: bigint; rows: BlockRows } | null = null;

  constructor(queries: Queries) {
    this.#queries = queries;
  }

  page(run: number, { range, seen, limit, names }: Wanted): Page<SampleColumns> {
    const series = new Map(seriesOf(this.#queries, run, names).map(({ id, name }) => [id, name]));
    const found: Sample[] = [];
    const compacted = samplesCompacted(this.#queries, run);
    if (seen < compacted) this.#fromBlocks(run, { range, seen, limit }, series, found);
    if (found.length <= limit) {
      const from = seen > compacted ? seen : compacted;
      this.#fromRows(run, { range, seen: from, limit: limit + 1 - found.length }, series, found);
    }
    const more = found.length > limit;
    if (more) found.length = limit;
    return pageOf(columnsOf(found, series), {
      lastNumber: found.at(-1)?.number ?? seen,
      more,
      committed: rowsCommitted(this.#queries, run, "samples"),
    });
  }

  /** Adds up to one sample more than the limit. */
  #fromBlocks(
    run: number,
    { range, seen, limit }: Omit<Wanted, "names">,
    series: ReadonlyMap<number, string>,
    found: Sample[],
  ): void {
    const { conditions, values } = filterOf(range, RANGES.blocks);
    const { fromTimeUnixNs, toTimeUnixNs, fromStep, toStep } = range;
    const bySteps = (fromStep ?? null) !== null || (toStep ?? null) !== null;
    const firstKey = this.#queries.get(
      "SELECT max(key) FROM sample_block WHERE key BETWEEN ? AND ?",
      keyOf(run, 0n),
      keyOf(run, seen + 1n),
    )![0] as bigint;
    const blocks = this.#queries.all(
      `SELECT key, samples FROM sample_block
       WHERE ${["key BETWEEN ? AND ?", ...conditions].join(" AND ")} ORDER BY key`,
      firstKey,
      lastKeyOf(run),
      ...values,
    );
    for (const [key, samples] of blocks) {
      const rows = this.#block(run, key as bigint, Number(samples));
      const skip = Math.max(0, Number(seen) - rows.firstNumber + 1);
      for (let i = skip; i < rows.series.length; i++) {
        const timeUnixNs = rows.timeUnixNs[i]!;
        const step = rows.step[i]!;
        if (!series.has(rows.series[i]!)) continue;
        if (timeUnixNs < (fromTimeUnixNs ?? timeUnixNs)) continue;
        if (timeUnixNs > (toTimeUnixNs ?? timeUnixNs)) continue;
        if (bySteps && (step < 0n || step < (fromStep ?? step) || step > (toStep ?? step))) {
          continue;
        }
        found.push({
          number: BigInt(rows.firstNumber + i),
          series: rows.series[i]!,
          timeUnixNs,
          step,
          value: rows.value[i]!,
        });
        if (found.length > limit) return;
      }
    }
  }

  #fromRows(
    run: number,
    { range, seen, limit }: Omit<Wanted, "names">,
    series: ReadonlyMap<number, string>,
    found: Sample[],
  ): void {
    const { conditions, values } = filterOf(range, RANGES.samples);
    const rows = this.#queries.all(
      `SELECT key, series, time_ns, step, value FROM sample_row
       WHERE ${["key > ?", "key <= ?", ...conditions].join(" AND ")}
         AND series IN (SELECT value FROM json_each(?)) ORDER BY key LIMIT ?`,
      keyOf(run, seen),
      lastKeyOf(run),
      ...values,
      JSON.stringify([...series.keys()]),
      BigInt(limit),
    );
    for (const [key, id, timeNs, step, value] of rows) {
      found.push({
        number: numberOf(key as bigint),
        series: Number(id),
        timeUnixNs: timeNs as bigint,
        step: step === null ? -1n : step as bigint,
        value: real(value),
      });
    }
  }

  #block(run: number, key: bigint, samples: number): BlockRows {
    if (this.#last?.key === key) return this.#last.rows;
    const number = numberOf(key);
    const chunks = this.#queries.all(
      `SELECT series.id, axis, place, value
       FROM series
         JOIN sample_chunk ON sample_chunk.key = series.id * ${2 ** 40} + ?
         JOIN sample_values ON sample_values.key = sample_chunk.key
       WHERE series.run = ?`,
      number,
      run,
    );
    const axes = this.#queries.all(
      "SELECT key, axis FROM sample_axis WHERE key >= ? AND key < ?",
      key,
      key + BigInt(samples),
    );
    const rows = blockRows(
      Number(number),
      samples,
      chunks.map(([series, axis, place, value]) => ({
        series: Number(series),
        axis: axis as bigint,
        place: Number(place),
        value: value as Uint8Array,
      })),
      new Map(axes.map(([key, axis]) => [key as bigint, axis as Uint8Array])),
    );
    this.#last = { key, rows };
    return rows;
  }
}

function columnsOf(
  samples: readonly Sample[],
  nameOf: ReadonlyMap<number, string>,
): SampleColumns {
  const indexes = new Map<number, number>();
  for (const { series } of samples) if (!indexes.has(series)) indexes.set(series, indexes.size);
  return {
    names: Array.from(indexes.keys(), (series) => nameOf.get(series)!),
    series: Uint32Array.from(samples, ({ series }) => indexes.get(series)!),
    timeUnixNs: BigInt64Array.from(samples, ({ timeUnixNs }) => timeUnixNs),
    step: samples.some(({ step }) => step >= 0n)
      ? BigUint64Array.from(samples, ({ step }) => step < 0n ? NO_STEP : step)
      : null,
    value: Float64Array.from(samples, ({ value }) => value),
  };
}
