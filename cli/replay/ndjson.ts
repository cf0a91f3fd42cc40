/**
 * One JSON object a line, such as `telebridge run` takes. JSON has no NaN and no infinities: they are the strings "NaN", "Infinity" and "-Infinity".
 */

import {
  type CheckpointRow,
  type EpisodeRow,
  type HistogramRow,
  type LogRow,
  NO_STEP,
  type ParamRow,
  type SampleColumns,
  type StepColumns,
} from "../../core/storage/records.ts";
import type { Slice } from "../../core/replay/source.ts";
import { LEVELS, type RowFormat, storedJson, TERMINATED, TRUNCATED } from "./format.ts";

export class Ndjson implements RowFormat {
  readonly header = "";
  /** Names of series as JSON; there are few, and they come again and again. */
  readonly #names = new Map<string, string>();

  encode(slice: Slice): string {
    let text = "";
    for (let at = slice.from; at < slice.to; at++) text += this.#line(slice, at);
    return text;
  }

  #line({ kind, rows }: Slice, at: number): string {
    switch (kind) {
      case "steps":
        return stepLine(rows, at);
      case "samples":
        return this.#sampleLine(rows, at);
      case "episodes":
        return episodeLine(rows[at]!);
      case "logs":
        return logLine(rows[at]!);
      case "params":
        return paramLine(rows[at]!);
      case "histograms":
        return histogramLine(rows[at]!);
      case "checkpoints":
        return checkpointLine(rows[at]!);
    }
  }

  #sampleLine(rows: SampleColumns, at: number): string {
    const name = rows.names[rows.series[at]!]!;
    let series = this.#names.get(name);
    if (series === undefined) this.#names.set(name, series = JSON.stringify(name));
    const step = rows.step?.[at] ?? NO_STEP;
    return `{"type":"sample","time_unix_ns":${rows.timeUnixNs[at]},"series":${series},` +
      `"step":${step === NO_STEP ? "null" : step},"value":${number(rows.value[at]!)}}\n`;
  }
}

/** A number as JSON, whatever it is. */
function number(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? "-0.0" : `${value}`;
}

/** A field for rows that have one, and nothing for the others. */
function extra(json: string): string {
  return json === "" ? "" : `,"extra":${storedJson(json)}`;
}

function stepLine(rows: StepColumns, at: number): string {
  const flags = rows.flags[at]!;
  const extraJson = rows.extraJson?.[at] ?? "";
  return `{"type":"step","time_unix_ns":${rows.timeUnixNs[at]},"step":${rows.step[at]},` +
    `"episode":${rows.episode[at]},"reward":${number(rows.reward[at]!)},` +
    `"terminated":${(flags & TERMINATED) !== 0},"truncated":${(flags & TRUNCATED) !== 0}` +
    `${extra(extraJson)}}\n`;
}

function episodeLine(row: EpisodeRow): string {
  return `{"type":"episode","time_unix_ns":${row.endTimeUnixNs},"episode":${row.episode},` +
    `"start_time_unix_ns":${row.startTimeUnixNs},"first_step":${row.firstStep},` +
    `"length":${row.length},"return":${number(row.episodeReturn)},` +
    `"terminated":${row.terminated},"truncated":${row.truncated}${extra(row.extraJson)}}\n`;
}

function logLine(row: LogRow): string {
  return `{"type":"log","time_unix_ns":${row.timeUnixNs},"level":"${LEVELS[row.level]}",` +
    `"source":${JSON.stringify(row.source)},"text":${JSON.stringify(row.text)},` +
    `"step":${row.step}}\n`;
}

function paramLine(row: ParamRow): string {
  return `{"type":"params","time_unix_ns":${row.timeUnixNs},` +
    `"values":{${JSON.stringify(row.key)}:${storedJson(row.valueJson)}}}\n`;
}

function histogramLine(row: HistogramRow): string {
  return `{"type":"histogram","time_unix_ns":${row.timeUnixNs},` +
    `"series":${JSON.stringify(row.series)},"step":${row.step},` +
    `"edges":[${Array.from(row.edges, number)}],"counts":[${row.counts}]}\n`;
}

function checkpointLine(row: CheckpointRow): string {
  return `{"type":"checkpoint","time_unix_ns":${row.timeUnixNs},` +
    `"name":${JSON.stringify(row.name)},"step":${row.step},"size_bytes":${row.sizeBytes},` +
    `"sha256":"${row.sha256}","metadata":${storedJson(row.metadataJson)}}\n`;
}
