/** The calls that publish rows, all of one kind of handler; what differs is how rows are read (rows/). */

import * as grpc from "@grpc/grpc-js";
import type { DurableState } from "../core/durable/feed.ts";
import { type PublishService, StoreState } from "../proto/gen/telebridge/v1/publish_pb.ts";
import type { IngestContext } from "./context.ts";
import { CreditDesk, CREDITS_MAX, type StoreCondition } from "./credits.ts";
import { GrpcError, type Handlers } from "./grpc_service.ts";
import { type AckFields, PublishCall, type RowsRequest } from "./publish_call.ts";
import { episodeReader, histogramReader, logReader, paramReader } from "./rows/messages.ts";
import type { RowReader } from "./rows/reader.ts";
import { SampleReader } from "./rows/samples.ts";
import { StepReader } from "./rows/steps.ts";

const STATE_NAMES: Readonly<Record<StoreState, DurableState["state"]>> = {
  [StoreState.UNSPECIFIED]: "ok",
  [StoreState.OK]: "ok",
  [StoreState.SLOW]: "slow",
  [StoreState.FAILING]: "failing",
};

/** For what was received to be stored when the process shall end. */
const DRAIN_MS_MAX = 3_000;

export class PublishDesk {
  readonly #context: IngestContext;
  readonly #onCondition: (condition: StoreCondition) => void;
  readonly #calls = new Set<PublishCall>();
  readonly #desk: CreditDesk;
  /** Calls of the commit that is being told. */
  readonly #toAck = new Set<PublishCall>();
  #stopping = false;

  /** `onCondition` is called when the store is in another one, for those who are told by other ways than acks. */
  constructor(context: IngestContext, onCondition: (condition: StoreCondition) => void) {
    this.#context = context;
    this.#onCondition = onCondition;
    const { store, metrics } = context;
    this.#desk = new CreditDesk({
      onChange: () => {
        this.tellState();
        this.#each((call) => call.ack());
      },
      onPause: (paused) => this.#each((call) => paused ? call.pause() : call.resume()),
    });
    store.listen({
      onCommit: () => this.#ackCommit(),
      onSynced: (version) => this.#each((call) => call.onSynced(version)),
      onFailing: () => this.#update(),
      onQueue: () => this.#update(),
    });
    metrics.gauge("publish_calls", "Calls that publish rows.", () => this.#calls.size);
    metrics.gauge(
      "credits_withheld_rows",
      "Rows that each call may have on its way less than when all is well.",
      () => CREDITS_MAX - this.#desk.condition.credits,
    );
  }

  /** Tells how the store is: `serve`, and who publishes nothing now. */
  tellState(): void {
    const { state, reason } = this.#desk.condition;
    this.#onCondition(this.#desk.condition);
    this.#context.feed.send({ type: "state", state: { state: STATE_NAMES[state], reason } });
  }

  handlers(): Handlers<typeof PublishService> {
    const { buffers } = this.#context.store;
    return {
      publishRunSteps: this.#handler(() => new StepReader(buffers)),
      publishRunEpisodes: this.#handler(episodeReader),
      publishSamples: this.#handler(() => new SampleReader(buffers)),
      publishLogs: this.#handler(logReader),
      publishParams: this.#handler(paramReader),
      publishHistograms: this.#handler(histogramReader),
    };
  }

  /** Stores what was received, tells so, and ends all calls. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#each((call) => call.pause());
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, DRAIN_MS_MAX));
    const { store } = this.#context;
    // Where nothing is stored, nobody waits for it: clients keep what they were not told of.
    if (store.failing === null) await Promise.race([store.drained(), late]);
    clearTimeout(timer);
    this.#each((call) => call.fail(stoppingError()));
  }

  #handler<Request extends RowsRequest>(
    makeReader: () => RowReader<Request>,
  ): (call: grpc.ServerDuplexStream<Request, AckFields>) => void {
    return (call) => {
      if (this.#stopping) throw stoppingError();
      const { bus, presence, store, nowUnixNs, runsChanged } = this.#context;
      const publishing = new PublishCall(
        {
          ...{ bus, presence, store, nowUnixNs, runsChanged },
          condition: () => this.#desk.condition,
          ackSoon: (ready) => this.#toAck.add(ready),
          onClosed: (closed) => {
            this.#calls.delete(closed);
            this.#toAck.delete(closed);
          },
        },
        call as unknown as grpc.ServerDuplexStream<RowsRequest, AckFields>,
        makeReader() as RowReader<RowsRequest>,
      );
      this.#calls.add(publishing);
      if (this.#desk.paused) publishing.pause();
    };
  }

  /** One ack for each call, however many of its messages were committed. */
  #ackCommit(): void {
    for (const call of this.#toAck) call.ack();
    this.#toAck.clear();
  }

  #update(): void {
    const { store } = this.#context;
    this.#desk.update(store.queuedBytes, store.failing);
  }

  #each(tell: (call: PublishCall) => void): void {
    for (const call of [...this.#calls]) tell(call);
  }
}

function stoppingError(): GrpcError {
  return new GrpcError(grpc.status.UNAVAILABLE, "the server is stopping");
}
