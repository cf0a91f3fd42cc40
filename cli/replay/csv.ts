/** CSV as RFC 4180 has it, but for line ends, which are LF: a header and the rows of one kind. */

import { NO_STEP, type RowKind } from "../../core/storage/records.ts";
import type { Slice } from "../../core/replay/source.ts";
import { LEVELS, type RowFormat, TERMINATED, TRUNCATED } from "./format.ts";

/** Columns of each kind, in the order of {@link cells}. */
const HEADERS: Readonly<Record<RowKind, string>> = {
  steps: "time_unix_ns,step,episode,reward,terminated,truncated,extra",
  episodes:
    "time_unix_ns,episode,start_time_unix_ns,first_step,length,return,terminated,truncated,extra",
  samples: "time_unix_ns,series,step,value",
  logs: "time_unix_ns,level,source,text,step",
  params: "time_unix_ns,key,value",
  histograms: "time_unix_ns,series,step,edges,counts",
  checkpoints: "time_unix_ns,name,step,size_bytes,sha256,metadata",
};

export class Csv implements RowFormat {
  readonly header: string;

  constructor(kind: RowKind) {
    this.header = `${HEADERS[kind]}\n`;
  }

  encode(slice: Slice): string {
    let text = "";
    for (let at = slice.from; at < slice.to; at++) text += `${cells(slice, at).join(",")}\n`;
    return text;
  }
}

function cells({ kind, rows }: Slice, at: number): unknown[] {
  switch (kind) {
    case "steps": {
      const flags = rows.flags[at]!;
      return [
        rows.timeUnixNs[at],
        rows.step[at],
        rows.episode[at],
        rows.reward[at],
        (flags & TERMINATED) !== 0,
        (flags & TRUNCATED) !== 0,
        quoted(rows.extraJson?.[at] ?? ""),
      ];
    }
    case "samples": {
      const step = rows.step?.[at] ?? NO_STEP;
      const series = quoted(rows.names[rows.series[at]!]!);
      return [rows.timeUnixNs[at], series, step === NO_STEP ? "" : step, rows.value[at]];
    }
    case "episodes": {
      const row = rows[at]!;
      return [
        row.endTimeUnixNs,
        row.episode,
        row.startTimeUnixNs,
        row.firstStep,
        row.length,
        row.episodeReturn,
        row.terminated,
        row.truncated,
        quoted(row.extraJson),
      ];
    }
    case "logs": {
      const { timeUnixNs, level, source, text, step } = rows[at]!;
      return [timeUnixNs, LEVELS[level], quoted(source), quoted(text), step ?? ""];
    }
    case "params": {
      const { timeUnixNs, key, valueJson } = rows[at]!;
      return [timeUnixNs, quoted(key), quoted(valueJson)];
    }
    case "histograms": {
      const { timeUnixNs, series, step, edges, counts } = rows[at]!;
      return [
        timeUnixNs,
        quoted(series),
        step ?? "",
        quoted(`[${edges.join(",")}]`),
        quoted(`[${counts.join(",")}]`),
      ];
    }
    case "checkpoints": {
      const { timeUnixNs, name, step, sizeBytes, sha256, metadataJson } = rows[at]!;
      return [timeUnixNs, quoted(name), step ?? "", sizeBytes, sha256, quoted(metadataJson)];
    }
  }
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
