/** One kind's rows on their way: a call, as long as a connection lasts. */

import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import type { PublishAck, StoreState } from "../../proto/gen/telebridge/v1/publish_pb.ts";
import type { Channel } from "./channel.ts";
import { messageOf, type Opening, PUBLISH_METHODS } from "./kinds.ts";
import type { Lane } from "./lane.ts";
import { CALL_BYTES_IN_FLIGHT_MAX, CREDITS_AT_START } from "./limits.ts";

export interface CallEvents {
  /** An ack; sequences are given numbers. */
  onProgress(lane: Lane, committed: number, synced: number): void;
  /** The store is slow or fails, and why; "" once all is well. */
  onStore(state: StoreState, reason: string): void;
  /** Rows in front of the next batch will never come: see Lane.closeGap. */
  onGap(lane: Lane): void;
  onEnd(lane: Lane, error: ServiceError | Error): void;
}

export class PublishCall {
  readonly #lane: Lane;
  readonly #opening: Opening;
  readonly #events: CallEvents;
  readonly #call: ClientDuplexStream<Uint8Array, PublishAck>;
  #opened = false;
  #credits = CREDITS_AT_START;
  #blocked = false;
  #isOver = false;

  constructor(channel: Channel, lane: Lane, opening: Opening, events: CallEvents) {
    this.#lane = lane;
    this.#opening = opening;
    this.#events = events;
    this.#call = channel.open(PUBLISH_METHODS[lane.kind]);
    this.#call.on("data", (ack: PublishAck) => this.#onAck(ack));
    this.#call.on("error", (error: ServiceError) => events.onEnd(lane, error));
    this.#call.on("end", () => events.onEnd(lane, new Error("the server ended the call")));
    this.#call.on("drain", () => {
      this.#blocked = false;
      this.pump();
    });
  }

  /** Asks how far the stream is, when there are no rows to send. */
  greet(): void {
    if (!this.#opened) this.#write(0, new Uint8Array());
  }

  /** Sends what may be sent. */
  pump(): void {
    const lane = this.#lane;
    while (!this.#blocked && !this.#isOver) {
      const batch = lane.window[lane.sent];
      if (batch === undefined || !this.#mayFly(batch.count)) return;
      if (batch.firstSequence > lane.sentEnd + 1) {
        if (lane.rowsInFlight > 0) return;
        this.#events.onGap(lane);
      }
      lane.sent++;
      this.#write(batch.firstSequence - lane.offset, batch.rows);
    }
  }

  /** One message may always be on its way, if the server takes any rows: it may be larger than its credits. */
  #mayFly(rows: number): boolean {
    const lane = this.#lane;
    if (this.#credits === 0) return false;
    if (lane.rowsInFlight === 0) return true;
    if (lane.careful) return false;
    return lane.rowsInFlight + rows <= this.#credits &&
      lane.bytesInFlight < CALL_BYTES_IN_FLIGHT_MAX;
  }

  #write(firstSequence: number, rows: Uint8Array<ArrayBuffer>): void {
    const opening = this.#opened ? null : this.#opening;
    this.#opened = true;
    this.#blocked = !this.#call.write(messageOf(this.#lane.kind, firstSequence, opening, rows));
  }

  #onAck(ack: PublishAck): void {
    const { offset } = this.#lane;
    this.#credits = ack.credits;
    this.#events.onProgress(
      this.#lane,
      Number(ack.committedSequence) + offset,
      Number(ack.syncedSequence) + offset,
    );
    this.#events.onStore(ack.state, ack.reason);
    this.pump();
  }

  /** Half-closes the call; the server answers what it has and ends it. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#call.end();
  }
}
