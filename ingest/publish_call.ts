/** One call that publishes rows: messages in, acks out as they are committed. */

import * as grpc from "@grpc/grpc-js";
import type { StreamKey } from "../core/storage/records.ts";
import type { StoreState, StreamOpen } from "../proto/gen/telebridge/v1/publish_pb.ts";
import type { IngestContext } from "./context.ts";
import type { StoreCondition } from "./credits.ts";
import { endWithError, GrpcError } from "./grpc_service.ts";
import { type Committed, QueuedRows } from "./queued_rows.ts";
import { streamKey } from "./stream_open.ts";
import { InvalidRows, type RowReader } from "./rows/reader.ts";
import { storeStatus } from "./store_errors.ts";

/** What all requests that publish rows have. */
export interface RowsRequest {
  open?: StreamOpen;
  firstSequence: bigint;
}

export interface AckFields {
  committedSequence: bigint;
  syncedSequence: bigint;
  credits: number;
  state: StoreState;
  reason: string;
}

export interface PublishCallContext
  extends Pick<IngestContext, "bus" | "presence" | "store" | "nowUnixNs" | "runsChanged"> {
  condition: () => StoreCondition;
  /** The call wants to send an ack when all of a commit has been told. */
  ackSoon: (call: PublishCall) => void;
  onClosed: (call: PublishCall) => void;
}

type Call = grpc.ServerDuplexStream<RowsRequest, AckFields>;

export class PublishCall {
  readonly #context: PublishCallContext;
  readonly #call: Call;
  readonly #reader: RowReader<RowsRequest>;
  #stream: StreamKey | null = null;
  /** The run is registered, and the first ack sent. */
  #opened = false;
  /** The client has sent all that it wanted to. */
  #halfClosed = false;
  #closed = false;
  /** Takes what comes next, if it fits. */
  #filling: QueuedRows | null = null;
  /** Queued, or with the store. */
  #pending = 0;
  #committed = 0n;
  #synced = 0n;
  /** Committed with which version of the store, oldest first; only with `want_synced`. */
  #toSync: { version: number; sequence: bigint }[] = [];
  #wantSynced = false;
  #lastAck: AckFields | null = null;
  /** The client does not read its acks at the moment. */
  #blocked = false;
  readonly #held = new DisposableStack();

  constructor(context: PublishCallContext, call: Call, reader: RowReader<RowsRequest>) {
    this.#context = context;
    this.#call = call;
    this.#reader = reader;
    call.on("data", (request: RowsRequest) => this.#guard(() => this.#onRequest(request)));
    call.on("end", () => this.#guard(() => this.#onHalfClose()));
    call.on("cancelled", () => this.#close());
    call.on("drain", () => {
      this.#blocked = false;
      this.ack();
    });
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    if (!this.#closed) this.#call.resume();
  }

  /** Sends an ack if something has changed. */
  ack(): void {
    this.#sendAck();
    this.#endIfDone();
  }

  #sendAck(): void {
    if (!this.#opened || this.#closed || this.#blocked) return;
    const ack: AckFields = {
      committedSequence: this.#committed,
      syncedSequence: this.#synced,
      ...this.#context.condition(),
    };
    if (!sameAck(ack, this.#lastAck)) {
      this.#lastAck = ack;
      this.#blocked = !this.#call.write(ack);
    }
  }

  /** All up to this version of the store is synced. */
  onSynced(version: number): void {
    const later = this.#toSync.findIndex((commit) => commit.version > version);
    const covered = later < 0 ? this.#toSync : this.#toSync.slice(0, later);
    if (covered.length === 0) return;
    this.#synced = covered.at(-1)!.sequence;
    this.#toSync = this.#toSync.slice(covered.length);
    this.ack();
  }

  fail(error: unknown): void {
    if (this.#closed) return;
    this.#sendAck(); // and no more: a client that has sent all is to hear of this, not that all is well
    this.#close();
    endWithError(this.#call, error);
  }

  #guard(work: () => void): void {
    if (this.#closed) return;
    try {
      work();
    } catch (error) {
      this.fail(
        error instanceof InvalidRows
          ? new GrpcError(grpc.status.INVALID_ARGUMENT, error.message)
          : error,
      );
    }
  }

  #onRequest(request: RowsRequest): void {
    if (this.#stream === null) this.#open(request.open);
    else if (request.open !== undefined) {
      throw new GrpcError(grpc.status.INVALID_ARGUMENT, "only the first message has `open`");
    }
    const rows = this.#reader.count(request);
    if (rows === 0) return this.#reader.add(request, this.#reader.gatherer(0));
    if (request.firstSequence < 1n) {
      throw new GrpcError(grpc.status.INVALID_ARGUMENT, "first_sequence counts from 1");
    }
    const queued = this.#queueFor(request.firstSequence, rows);
    const isNew = queued.count === 0;
    const bytesBefore = isNew ? 0 : queued.bytes;
    this.#reader.add(request, queued.gatherer);
    queued.added(rows);
    if (isNew) {
      this.#filling = queued;
      this.#pending++;
      this.#context.store.enqueue(queued);
    }
    this.#context.store.added(rows, queued.bytes - bytesBefore);
  }

  #queueFor(firstSequence: bigint, rows: number): QueuedRows {
    if (this.#filling?.takes(firstSequence, rows)) return this.#filling;
    return new QueuedRows({
      stream: this.#stream!,
      kind: this.#reader.kind,
      firstSequence,
      gatherer: this.#reader.gatherer(rows),
      onCommitted: (committed) => this.#onCommitted(committed),
    });
  }

  #open(open: StreamOpen | undefined): void {
    if (open === undefined) {
      throw new GrpcError(grpc.status.INVALID_ARGUMENT, "the first message must have `open`");
    }
    const stream = streamKey(open.runId, open.streamId);
    this.#stream = stream;
    this.#held.use(this.#context.presence.enter(stream.runId));
    this.#wantSynced = open.wantSynced;
    if (open.wantSynced) this.#held.use(this.#context.store.wantSynced());
    this.#register(stream);
  }

  /** Rows that follow wait behind this in the store's queue. */
  async #register(stream: StreamKey): Promise<void> {
    try {
      const { value, version } = await this.#context.store.call("registerRun", {
        stream,
        startTimeUnixNs: this.#context.nowUnixNs(),
        tags: [],
        metadataJson: "",
      });
      this.#opened = true;
      if (value.created) this.#context.runsChanged();
      this.#advance(value.committed[this.#reader.kind], version);
      this.ack();
    } catch (error) {
      this.fail(storeStatus(error));
    }
  }

  #onCommitted({ result, batch, version }: Committed): void {
    this.#pending--;
    this.#context.bus.tell(batch, result);
    if (this.#closed) return;
    if (result.committed !== null) this.#advance(result.committed, version);
    switch (result.outcome) {
      case "committed":
        return this.#context.ackSoon(this);
      case "gap":
        return this.fail(gapError(batch.firstSequence, result.committed));
      case "refused":
        return this.fail(new GrpcError(grpc.status.INVALID_ARGUMENT, result.reason));
    }
  }

  #advance(sequence: bigint, version: number): void {
    if (sequence > this.#committed) this.#committed = sequence;
    if (this.#wantSynced) this.#toSync.push({ version, sequence: this.#committed });
  }

  #onHalfClose(): void {
    if (this.#stream === null) {
      throw new GrpcError(grpc.status.INVALID_ARGUMENT, "the call had no message");
    }
    this.#halfClosed = true;
    this.#endIfDone();
  }

  #endIfDone(): void {
    const done = this.#halfClosed && this.#opened && this.#pending === 0 && !this.#blocked &&
      this.#lastAck?.committedSequence === this.#committed &&
      (!this.#wantSynced || this.#synced === this.#committed);
    if (!done || this.#closed) return;
    this.#close();
    this.#call.end();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held.dispose();
    this.#context.onClosed(this);
  }
}

function gapError(firstSequence: bigint, committed: bigint): GrpcError {
  const next = committed + 1n;
  return new GrpcError(
    grpc.status.ABORTED,
    `rows from ${firstSequence} on cannot follow ${committed}: go on from sequence ${next}`,
    { "next-sequence": String(next) },
  );
}

function sameAck(ack: AckFields, last: AckFields | null): boolean {
  return last !== null && ack.committedSequence === last.committedSequence &&
    ack.syncedSequence === last.syncedSequence && ack.credits === last.credits &&
    ack.state === last.state && ack.reason === last.reason;
}
