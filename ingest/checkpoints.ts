/** PublishCheckpoint: a file's bytes, then the row that names it; answered when both are synced. */

import * as grpc from "@grpc/grpc-js";
import { createHash } from "node:crypto";
import type { CheckpointRow, StreamKey } from "../core/storage/records.ts";
import type {
  CheckpointHeader,
  PublishCheckpointRequest,
  PublishService,
} from "../proto/gen/telebridge/v1/publish_pb.ts";
import type { CheckpointFiles, IncomingFile } from "./checkpoint_files.ts";
import type { IngestContext } from "./context.ts";
import { GrpcError, type Handlers } from "./grpc_service.ts";
import { type Committed, QueuedRows } from "./queued_rows.ts";
import { checkpointMessage } from "./run_messages.ts";
import { streamKey } from "./stream_open.ts";
import { InvalidRows, type RowGatherer } from "./rows/reader.ts";
import { checkJsonObject, checkText, EXTRA_JSON_CHARS_MAX, NAME_CHARS_MAX } from "./rows/texts.ts";
import { ofStore } from "./store_errors.ts";

const CHUNK_BYTES_MAX = 1024 * 1024;
const SHA256_BYTES = 32;
const STREAM_ID_DIGITS = 32;

type Call = grpc.ServerReadableStream<PublishCheckpointRequest, unknown>;

export class CheckpointDesk {
  readonly #context: IngestContext;
  readonly #files: CheckpointFiles;

  constructor(context: IngestContext, files: CheckpointFiles) {
    this.#context = context;
    this.#files = files;
  }

  handlers(): Handlers<typeof PublishService> {
    return { publishCheckpoint: (call) => ofStore(this.#publish(call)) };
  }

  async #publish(call: Call) {
    const messages = call[Symbol.asyncIterator]() as AsyncIterator<PublishCheckpointRequest>;
    const header = await headerOf(messages);
    const stream = streamKey(header.runId, header.streamId);
    using _present = this.#context.presence.enter(stream.runId);
    using file = await this.#files.receive();
    await receiveChunks(call, messages, file);
    const sha256 = file.digest();
    using used = this.#files.use(sha256);
    checkContent(header, file.sizeBytes, sha256);
    using _synced = this.#context.store.wantSynced();
    await this.#register(stream);
    const { deduplicated } = await file.store(sha256);
    const row = rowOf(header, file.sizeBytes, sha256, this.#context.nowUnixNs());
    const version = await this.#storeRow(stream, row);
    used.named = true;
    await this.#context.store.synced(version);
    return { checkpoint: checkpointMessage(row), deduplicated };
  }

  async #register(stream: StreamKey): Promise<void> {
    const startTimeUnixNs = this.#context.nowUnixNs();
    const { value } = await ofStore(
      this.#context.store.call("registerRun", {
        ...{ stream, startTimeUnixNs, tags: [], metadataJson: "" },
      }),
    );
    if (value.created) this.#context.runsChanged();
  }

  /** Resolves to the store's version with it. */
  async #storeRow(stream: StreamKey, row: CheckpointRow): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<Committed>();
    const queued = new QueuedRows({
      stream: { ...stream, streamId: streamIdOf(stream, row) },
      kind: "checkpoints",
      firstSequence: 1n,
      gatherer: single(row),
      onCommitted: resolve,
    });
    queued.added(1);
    this.#context.store.enqueue(queued);
    this.#context.store.added(1, queued.bytes);
    const { result, batch, version } = await promise;
    if (result.outcome !== "committed") {
      const reason = result.outcome === "refused" ? result.reason : "its sequence is taken";
      throw new GrpcError(grpc.status.INVALID_ARGUMENT, reason);
    }
    if (result.rowsNew > 0) {
      this.#context.bus.publish({ runId: stream.runId, kind: "checkpoints", rowsNew: 1, batch });
    }
    return version;
  }
}

/** Each checkpoint is a stream of its own, of one row, so that one that is sent again is stored once. */
function streamIdOf({ streamId }: StreamKey, row: CheckpointRow): string {
  const { name, timeUnixNs, step, sha256 } = row;
  const identity = JSON.stringify([streamId, name, String(timeUnixNs), String(step), sha256]);
  return createHash("sha256").update(identity).digest("hex").slice(0, STREAM_ID_DIGITS);
}

function single(row: CheckpointRow): RowGatherer {
  return { bytes: 2 * row.metadataJson.length, hasRoom: () => false, finish: () => [row] };
}

async function headerOf(
  messages: AsyncIterator<PublishCheckpointRequest>,
): Promise<CheckpointHeader> {
  const { value, done } = await messages.next();
  if (!done && value.part.case === "header") return value.part.value;
  throw new GrpcError(grpc.status.INVALID_ARGUMENT, "the first message must be the header");
}

/** A call that was cut off is no file, however it looks. */
async function receiveChunks(
  call: Call,
  messages: AsyncIterator<PublishCheckpointRequest>,
  file: IncomingFile,
): Promise<void> {
  while (true) {
    const { value, done } = await messages.next();
    if (call.cancelled) throw new GrpcError(grpc.status.CANCELLED, "the call was cut off");
    if (done) return;
    if (value.part.case !== "chunk") {
      throw new GrpcError(grpc.status.INVALID_ARGUMENT, "after the header there are only chunks");
    }
    const chunk = value.part.value;
    if (chunk.byteLength > CHUNK_BYTES_MAX) {
      throw new GrpcError(
        grpc.status.INVALID_ARGUMENT,
        `a chunk has ${chunk.byteLength} bytes, it may have ${CHUNK_BYTES_MAX}`,
      );
    }
    await file.write(chunk);
  }
}

function checkContent({ checkpoint }: CheckpointHeader, sizeBytes: bigint, sha256: string): void {
  const told = checkpoint?.sha256 ?? new Uint8Array();
  if (told.byteLength !== 0 && (told.byteLength !== SHA256_BYTES || told.toHex() !== sha256)) {
    throw new GrpcError(grpc.status.INVALID_ARGUMENT, `the bytes that came have sha256 ${sha256}`);
  }
  const size = checkpoint?.sizeBytes ?? 0n;
  if (size !== 0n && size !== sizeBytes) {
    throw new GrpcError(
      grpc.status.INVALID_ARGUMENT,
      `${sizeBytes} bytes came, the header says ${size}`,
    );
  }
}

function rowOf(
  { checkpoint }: CheckpointHeader,
  sizeBytes: bigint,
  sha256: string,
  nowUnixNs: bigint,
): CheckpointRow {
  const { name = "", timeUnixNs = 0n, step, metadataJson = "" } = checkpoint ?? {};
  try {
    if (name === "") throw new InvalidRows("a checkpoint has no name");
    checkText("a checkpoint's name", name, NAME_CHARS_MAX);
    checkJsonObject("metadata_json", metadataJson, EXTRA_JSON_CHARS_MAX);
  } catch (error) {
    if (!(error instanceof InvalidRows)) throw error;
    throw new GrpcError(grpc.status.INVALID_ARGUMENT, error.message);
  }
  const known = { name, step: step ?? null, sizeBytes, sha256, metadataJson };
  return { ...known, timeUnixNs: timeUnixNs || nowUnixNs };
}
