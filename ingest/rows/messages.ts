/** Rows that come as messages only: rare ones, each an object. */

import type {
  EpisodeRow,
  HistogramRow,
  LogRow,
  ParamRow,
  RowKind,
  RowsByKind,
} from "../../core/storage/records.ts";
import type {
  PublishHistogramsRequest,
  PublishLogsRequest,
  PublishParamsRequest,
  PublishRunEpisodesRequest,
} from "../../proto/gen/telebridge/v1/publish_pb.ts";
import { type Histogram, type Log, LogLevel } from "../../proto/gen/telebridge/v1/records_pb.ts";
import { InvalidRows, type RowGatherer, type RowReader } from "./reader.ts";
import {
  checkJson,
  checkJsonObject,
  checkText,
  EXTRA_JSON_CHARS_MAX,
  LOG_TEXT_CHARS_MAX,
  NAME_CHARS_MAX,
  PARAM_JSON_CHARS_MAX,
} from "./texts.ts";

const ROWS_PER_GATHERER = 1024;
/** What an object of a few fields takes, roughly. */
const BYTES_PER_ROW = 200;
const BUCKETS_MAX = 10_000;

export class ListGatherer<Row> implements RowGatherer {
  readonly rows: Row[] = [];
  #textBytes = 0;

  get bytes(): number {
    return this.rows.length * BYTES_PER_ROW + this.#textBytes;
  }

  hasRoom(rows: number): boolean {
    return this.rows.length === 0 || this.rows.length + rows <= ROWS_PER_GATHERER;
  }

  add(rows: readonly Row[], textBytes: number): void {
    this.rows.push(...rows);
    this.#textBytes += textBytes;
  }

  finish(): RowsByKind[RowKind] {
    return this.rows as RowsByKind[RowKind];
  }
}

interface Rows<Message> {
  rows: Message[];
}

class ListReader<Message, Row> implements RowReader<Rows<Message>, ListGatherer<Row>> {
  readonly kind: RowKind;
  /** Throws {@link InvalidRows}. */
  readonly #rowOf: (message: Message) => Row;
  readonly #bytesOf: (row: Row) => number;

  constructor(
    kind: RowKind,
    rowOf: (message: Message) => Row,
    bytesOf: (row: Row) => number,
  ) {
    this.kind = kind;
    this.#rowOf = rowOf;
    this.#bytesOf = bytesOf;
  }

  count({ rows }: Rows<Message>): number {
    return rows.length;
  }

  gatherer(): ListGatherer<Row> {
    return new ListGatherer();
  }

  add({ rows }: Rows<Message>, gatherer: ListGatherer<Row>): void {
    const read = rows.map(this.#rowOf);
    gatherer.add(read, read.reduce((bytes, row) => bytes + this.#bytesOf(row), 0));
  }
}

export function episodeReader(): RowReader<PublishRunEpisodesRequest> {
  return new ListReader(
    "episodes",
    ({ $typeName: _, $unknown: _unknown, ...row }): EpisodeRow => {
      checkJsonObject("an episode's extra_json", row.extraJson, EXTRA_JSON_CHARS_MAX);
      return row;
    },
    (row) => 2 * row.extraJson.length,
  );
}

export function logReader(): RowReader<PublishLogsRequest> {
  return new ListReader("logs", logRow, (row) => 2 * (row.text.length + row.source.length));
}

function logRow({ timeUnixNs, level, source, text, step }: Log): LogRow {
  checkText("a log's text", text, LOG_TEXT_CHARS_MAX);
  checkText("a log's source", source, NAME_CHARS_MAX);
  if (level < LogLevel.UNSPECIFIED || level > LogLevel.ERROR) {
    throw new InvalidRows(`a log has the unknown level ${level}`);
  }
  const known = level === LogLevel.UNSPECIFIED ? LogLevel.INFO : level;
  return { timeUnixNs, level: known, source, text, step: step ?? null };
}

export function paramReader(): RowReader<PublishParamsRequest> {
  return new ListReader(
    "params",
    ({ key, valueJson, timeUnixNs }): ParamRow => {
      if (key === "") throw new InvalidRows("a param has no key");
      checkText("a param's key", key, NAME_CHARS_MAX);
      checkJson(`the value of param ${JSON.stringify(key)}`, valueJson, PARAM_JSON_CHARS_MAX);
      return { key, valueJson, timeUnixNs };
    },
    (row) => 2 * (row.key.length + row.valueJson.length),
  );
}

export function histogramReader(): RowReader<PublishHistogramsRequest> {
  return new ListReader("histograms", histogramRow, (row) => 8 * 2 * row.edges.length);
}

function histogramRow({ series, timeUnixNs, step, edges, counts }: Histogram): HistogramRow {
  if (counts.length > BUCKETS_MAX) {
    throw new InvalidRows(`a histogram has ${counts.length} counts, it may have ${BUCKETS_MAX}`);
  }
  if (edges.some((edge, index) => index > 0 && !(edge > edges[index - 1]!))) {
    throw new InvalidRows(`the edges of histogram ${JSON.stringify(series)} do not ascend`);
  }
  return {
    series,
    timeUnixNs,
    step: step ?? null,
    edges: Float64Array.from(edges),
    counts: BigUint64Array.from(counts),
  };
}
