/** RunService: runs, and what was stored of them. */

import * as grpc from "@grpc/grpc-js";
import type { RunRecord } from "../core/storage/records.ts";
import type { Cursor, RowRange } from "../core/storage/store.ts";
import {
  type FinishRunRequest,
  type RegisterRunRequest,
  type ReplayStart,
  type RunService,
  RunState,
  type StreamRunSamplesRequest,
  type StreamRunStepsRequest,
} from "../proto/gen/telebridge/v1/runs_pb.ts";
import type { CheckpointFiles } from "./checkpoint_files.ts";
import type { IngestContext } from "./context.ts";
import { GrpcError, type Handler, type Handlers } from "./grpc_service.ts";
import { MESSAGE_BYTES_MAX } from "./message_limit.ts";
import { streamRows } from "./row_stream.ts";
import {
  checkpointMessage,
  countsMessage,
  histogramMessage,
  runMessage,
  SeriesNumbers,
  stepsMessage,
} from "./run_messages.ts";
import { checkRunId, streamKey } from "./stream_open.ts";
import { InvalidRows } from "./rows/reader.ts";
import { checkJsonObject, checkText } from "./rows/texts.ts";
import { ofStore } from "./store_errors.ts";

const RUNS_PAGE = 100;
const RUNS_PAGE_MAX = 1000;
const HISTOGRAMS_PAGE = 100;
const HISTOGRAMS_PAGE_MAX = 1000;
/** A page of 4,096 steps has 135 KB. */
const ROWS_PER_ANSWER = 4096;
const METADATA_CHARS_MAX = 256 * 1024;
const NOTE_CHARS_MAX = 64 * 1024;
const TAG_CHARS_MAX = 100;
const TAGS_MAX = 100;
/** After all rows that there can be. */
const END_OF_TIME_NS = 0x7fff_ffff_ffff_ffffn;

type Methods = (typeof RunService)["method"];

export class RunDesk {
  readonly #context: IngestContext;
  readonly #files: CheckpointFiles;

  constructor(context: IngestContext, files: CheckpointFiles) {
    this.#context = context;
    this.#files = files;
  }

  handlers(): Handlers<typeof RunService> {
    return {
      registerRun: (request) => this.#register(request),
      finishRun: (request) => this.#finish(request),
      listRuns: (request) => this.#list(request),
      getRun: async ({ runId }) => ({ run: await this.#run(runId) }),
      updateRun: (request) => this.#update(request),
      deleteRun: ({ runId }) => ofStore(this.#delete(runId)),
      streamRunSteps: (call) => this.#streamSteps(call),
      streamRunSamples: (call) => this.#streamSamples(call),
      listHistograms: (request) => this.#histograms(request),
      listCheckpoints: ({ runId }) => this.#checkpoints(runId),
      fetchCheckpoint: (call) => this.#files.send(call),
    };
  }

  async #register(request: RegisterRunRequest) {
    const { tags, metadataJson } = request;
    const stream = streamKey(request.runId, request.streamId);
    checked(() => {
      tags.forEach(checkTag);
      if (tags.length > TAGS_MAX) throw new InvalidRows(`a run may have ${TAGS_MAX} tags`);
      checkJsonObject("metadata_json", metadataJson, METADATA_CHARS_MAX);
    });
    const startTimeUnixNs = request.startTimeUnixNs || this.#context.nowUnixNs();
    const { value } = await ofStore(
      this.#context.store.call("registerRun", { stream, startTimeUnixNs, tags, metadataJson }),
    );
    this.#context.runsChanged();
    this.#context.presence.expect(stream.runId);
    return {
      created: value.created,
      committed: value.committed,
      instance: this.#context.instance,
      messageBytesMax: MESSAGE_BYTES_MAX,
    };
  }

  async #finish({ runId, endTimeUnixNs, state, reason }: FinishRunRequest) {
    checkRunId(runId);
    if (state !== RunState.FINISHED && state !== RunState.FAILED) {
      throw new GrpcError(grpc.status.INVALID_ARGUMENT, "a run ends as FINISHED or FAILED");
    }
    checked(() => checkText("the reason", reason, NOTE_CHARS_MAX));
    const { value: found } = await ofStore(this.#context.store.call("finishRun", runId, {
      timeUnixNs: endTimeUnixNs || this.#context.nowUnixNs(),
      state: state === RunState.FINISHED ? "finished" : "failed",
      reason,
    }));
    if (!found) throw noRun(runId);
    this.#context.presence.forget(runId);
    this.#context.runsChanged();
    return {};
  }

  async #list(
    { tags, pageSize, pageToken }: { tags: string[]; pageSize: number; pageToken: string },
  ) {
    const limit = Math.min(pageSize || RUNS_PAGE, RUNS_PAGE_MAX);
    const after = pageToken === "" ? undefined : pageToken;
    const page = await ofStore(this.#context.history.call("runs", { tags, limit, after }));
    return { runs: page.rows.map((run) => runMessage(run)), nextPageToken: page.next ?? "" };
  }

  async #run(runId: string) {
    const { history } = this.#context;
    const run = await this.#record(runId);
    const [params, series] = await ofStore(
      Promise.all([history.call("params", runId), history.call("series", runId)]),
    );
    return runMessage(run, { params, series: series.map(({ name }) => name) });
  }

  /** Throws NOT_FOUND. */
  async #record(runId: string): Promise<RunRecord> {
    checkRunId(runId);
    const run = await ofStore(this.#context.history.call("run", runId));
    if (run === null) throw noRun(runId);
    return run;
  }

  async #update(
    request: { runId: string; addTags: string[]; removeTags: string[]; note?: string },
  ) {
    const { addTags, removeTags, note } = request;
    const runId = checkRunId(request.runId);
    checked(() => {
      addTags.forEach(checkTag);
      checkText("the note", note ?? "", NOTE_CHARS_MAX);
    });
    const { value: run } = await ofStore(
      this.#context.store.call("updateRun", runId, { addTags, removeTags, note }),
    );
    if (run === null) throw noRun(runId);
    this.#context.runsChanged();
    return { run: runMessage(run) };
  }

  async #delete(runId: string) {
    checkRunId(runId);
    if (this.#context.presence.has(runId)) {
      throw new GrpcError(
        grpc.status.FAILED_PRECONDITION,
        `run ${runId} is being published: stop its worker first`,
      );
    }
    const files = await ofStore(this.#context.history.call("checkpoints", runId));
    this.#files.unsettle(files.map(({ sha256 }) => sha256));
    const { value: deleted } = await ofStore(this.#context.store.call("deleteRun", runId));
    if (deleted === null) throw noRun(runId);
    this.#context.presence.forget(runId);
    this.#context.runsChanged();
    await this.#files.removeUnused();
    return { deleted: countsMessage(deleted) };
  }

  #streamSteps: Handler<Methods["streamRunSteps"]> = async (call) => {
    const { runId, start, follow } = call.request as StreamRunStepsRequest;
    await this.#record(runId);
    const { bus, history } = this.#context;
    const range = rangeOf(start);
    const read = (after: Cursor | null, limit = ROWS_PER_ANSWER, of = range) =>
      ofStore(history.call("steps", runId, of, after, limit));
    await streamRows(call, {
      ...{ runId, bus, follow, read },
      kind: "steps",
      after: isLive(start) ? (await read(null, 1, AFTER_ALL)).end : null,
      answerOf: (rows, caughtUp) => ({ columns: stepsMessage(rows), caughtUp }),
      isEmpty: (rows) => rows.step.length === 0,
    });
  };

  #streamSamples: Handler<Methods["streamRunSamples"]> = async (call) => {
    const { runId, start, follow, series } = call.request as StreamRunSamplesRequest;
    await this.#record(runId);
    const { bus, history } = this.#context;
    const range = rangeOf(start);
    const wanted = series.length === 0 ? null : series;
    const numbers = new SeriesNumbers();
    const read = (after: Cursor | null, limit = ROWS_PER_ANSWER, of = range) =>
      ofStore(history.call("samples", runId, of, after, limit, wanted));
    await streamRows(call, {
      ...{ runId, bus, follow, read },
      kind: "samples",
      after: isLive(start) ? (await read(null, 1, AFTER_ALL)).end : null,
      answerOf: (rows, caughtUp) => ({ columns: numbers.samplesMessage(rows), caughtUp }),
      isEmpty: (rows) => rows.value.length === 0,
    });
  };

  async #histograms(
    request: { runId: string; series: string; pageSize: number; pageToken: string },
  ) {
    const { runId, series, pageSize, pageToken } = request;
    await this.#record(runId);
    const page = await ofStore(this.#context.history.call(
      "histograms",
      runId,
      series === "" ? null : series,
      pageToken === "" ? null : pageToken,
      Math.min(pageSize || HISTOGRAMS_PAGE, HISTOGRAMS_PAGE_MAX),
    ));
    return { histograms: page.rows.map(histogramMessage), nextPageToken: page.next ?? "" };
  }

  async #checkpoints(runId: string) {
    await this.#record(runId);
    const rows = await ofStore(this.#context.history.call("checkpoints", runId));
    return { checkpoints: rows.map(checkpointMessage) };
  }
}

const AFTER_ALL: RowRange = { fromTimeUnixNs: END_OF_TIME_NS };

function isLive(start: ReplayStart | undefined): boolean {
  return start?.start.case === "live" && start.start.value;
}

function rangeOf(start: ReplayStart | undefined): RowRange {
  switch (start?.start.case) {
    case "step":
      return { fromStep: start.start.value };
    case "timeUnixNs":
      return { fromTimeUnixNs: start.start.value };
    default:
      return {};
  }
}

function checkTag(tag: string): void {
  if (tag === "") throw new InvalidRows("a tag is empty");
  checkText("a tag", tag, TAG_CHARS_MAX);
}

/** Runs a check of texts. Throws INVALID_ARGUMENT where it throws {@link InvalidRows}. */
function checked(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof InvalidRows)) throw error;
    throw new GrpcError(grpc.status.INVALID_ARGUMENT, error.message);
  }
}

export function noRun(runId: string): GrpcError {
  return new GrpcError(grpc.status.NOT_FOUND, `there is no run ${runId}`);
}
