/** One connection of one stream: the run is registered, then each kind of rows has its call. */

import { type ServiceError, status } from "@grpc/grpc-js";
import { StoreState } from "../../proto/gen/telebridge/v1/publish_pb.ts";
import { RunService, RunState } from "../../proto/gen/telebridge/v1/runs_pb.ts";
import type { Channel } from "./channel.ts";
import type { Opening } from "./kinds.ts";
import type { Lane } from "./lane.ts";
import { ANSWER_MS_MAX } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import { type CallEvents, PublishCall } from "./publish_call.ts";
import type { StreamAbout } from "./spool.ts";
import type { Warnings } from "./warnings.ts";

export interface RunEnd {
  /** ns since 1970, decimal. */
  timeUnixNs: string;
  state: "finished" | "failed";
  reason: string;
}

export interface SessionEvents {
  /** Rows were acked. */
  onProgress(): void;
  /** The server numbers this lane's rows otherwise than before. */
  onOffset(lane: Lane): void;
}

interface SessionParts {
  channel: Channel;
  about: StreamAbout;
  outbox: Outbox;
  wantSynced: boolean;
  warnings: Warnings;
  events: SessionEvents;
}

export function streamIdBytes(about: StreamAbout): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(about.streamId.match(/../g)!, (byte) => parseInt(byte, 16));
}

export class Session implements CallEvents {
  /** Resolves to the reason when the connection is of no use any more. */
  readonly ended: Promise<Error>;
  readonly wantSynced: boolean;
  readonly #parts: SessionParts;
  readonly #opening: Opening;
  readonly #calls = new Map<Lane, PublishCall>();
  readonly #end: (reason: Error) => void;
  #isOver = false;

  private constructor(parts: SessionParts) {
    this.#parts = parts;
    this.wantSynced = parts.wantSynced;
    this.#opening = {
      runId: parts.about.runId,
      streamId: streamIdBytes(parts.about),
      wantSynced: parts.wantSynced,
    };
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.ended = promise;
    this.#end = resolve;
  }

  /** Rejects with a ServiceError when the server is not there or does not want the run. */
  static async open(parts: SessionParts): Promise<Session> {
    const session = new Session(parts);
    await session.#register();
    return session;
  }

  async #register(): Promise<void> {
    const { about, channel, outbox } = this.#parts;
    const { committed } = await channel.ask(RunService.method.registerRun, {
      runId: about.runId,
      streamId: this.#opening.streamId,
      startTimeUnixNs: BigInt(about.startTimeUnixNs),
      tags: about.tags,
      metadataJson: about.metadataJson,
    }, ANSWER_MS_MAX);
    for (const lane of outbox.all) {
      lane.sent = 0;
      lane.synced = 0;
      const known = Number(committed?.[lane.kind] ?? 0n) + lane.offset;
      if (known < lane.committed) this.#serverForgot(lane, lane.committed - known);
      else outbox.acknowledge(lane, known);
    }
    this.#parts.events.onProgress();
  }

  /** It had acked rows that it does not know any more: other data, or an older copy of them. */
  #serverForgot(lane: Lane, rows: number): void {
    lane.offset += rows;
    this.#parts.events.onOffset(lane);
    this.#parts.warnings.once(
      "forgot",
      `the server no longer has rows of "${this.#parts.about.runId}" that it had stored (another data directory?); later ones go on`,
    );
  }

  /** Sends what may be sent. */
  pump(): void {
    if (this.#isOver) return;
    for (const lane of this.#parts.outbox.all) {
      if (lane.window.length > lane.sent) this.#callOf(lane).pump();
      else if (this.wantSynced && lane.synced < lane.committed) this.#callOf(lane).greet();
    }
  }

  #callOf(lane: Lane): PublishCall {
    let call = this.#calls.get(lane);
    if (call === undefined) {
      call = new PublishCall(this.#parts.channel, lane, this.#opening, this);
      this.#calls.set(lane, call);
    }
    return call;
  }

  finishRun(end: RunEnd): Promise<unknown> {
    return this.#parts.channel.ask(RunService.method.finishRun, {
      runId: this.#opening.runId,
      streamId: this.#opening.streamId,
      endTimeUnixNs: BigInt(end.timeUnixNs),
      state: end.state === "failed" ? RunState.FAILED : RunState.FINISHED,
      reason: end.reason,
    }, ANSWER_MS_MAX);
  }

  onProgress(lane: Lane, committed: number, synced: number): void {
    if (this.#isOver) return;
    if (committed > lane.committed) lane.careful = false;
    this.#parts.outbox.acknowledge(lane, committed);
    lane.synced = Math.max(lane.synced, Math.min(synced, lane.committed));
    this.#parts.events.onProgress();
  }

  onStore(state: StoreState, reason: string): void {
    const { warnings } = this.#parts;
    if (state !== StoreState.FAILING) return warnings.settled("store");
    warnings.once("store", `the server stores nothing now: ${reason}; rows are kept here`);
  }

  onGap(lane: Lane): void {
    const missing = lane.closeGap(lane.window[lane.sent]!);
    this.#parts.warnings.once(
      "gap",
      `${missing} rows of "${this.#parts.about.runId}" were lost with the process that gave them`,
    );
    this.#parts.events.onOffset(lane);
  }

  onEnd(lane: Lane, error: ServiceError | Error): void {
    if (this.#isOver) return;
    const isRefusal = (error as ServiceError).code === status.INVALID_ARGUMENT;
    if (isRefusal && lane.careful && lane.sent === 1) this.#giveUp(lane, error as ServiceError);
    else if (isRefusal) lane.careful = true;
    this.close(error);
  }

  #giveUp(lane: Lane, error: ServiceError): void {
    const { outbox, warnings } = this.#parts;
    const batch = outbox.giveUp(lane);
    lane.careful = false;
    if (batch === null) return;
    outbox.rowsRefused += batch.count;
    warnings.once("refused", `the server refuses ${batch.count} ${lane.kind}: ${error.details}`);
    lane.offset += batch.count;
    lane.committed += batch.count;
    this.#parts.events.onOffset(lane);
  }

  close(reason: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const call of this.#calls.values()) call.close();
    for (const lane of this.#parts.outbox.all) lane.sent = 0;
    this.#end(reason);
  }
}
