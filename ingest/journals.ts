/** What `serve` itself has to say of runs, stored as what any client says (core/durable/feed.ts, JournalMessage). */

import { getLogger } from "@logtape/logtape";
import type { JournalAnswer, JournalMessage } from "../core/durable/feed.ts";
import { messageOf } from "../core/errors.ts";
import type { LogRow, StreamKey } from "../core/storage/records.ts";
import type { IngestContext } from "./context.ts";
import { type Committed, QueuedRows } from "./queued_rows.ts";
import { ListGatherer } from "./rows/messages.ts";
import { RunGone, StoreFailing } from "./store_client.ts";
import type { GatheredResult } from "./store_protocol.ts";

type MessageOf<Type extends JournalMessage["type"]> = Extract<JournalMessage, { type: Type }>;
type Outcome = Pick<JournalAnswer, "outcome"> & Partial<Pick<JournalAnswer, "committed">>;

const logger = getLogger(["telebridge", "ingest"]);

export class JournalDesk {
  readonly #context: IngestContext;
  /** Runs of which `serve` is a client, from their opening to their close. */
  readonly #presences = new Map<string, Disposable>();

  constructor(context: IngestContext) {
    this.#context = context;
    const { feed } = context;
    feed.on("journal-open", (message) => void this.#answer(message, this.#open(message)));
    feed.on("journal-lines", (message) => void this.#answer(message, this.#store(message)));
    feed.on("journal-close", (message) => void this.#answer(message, this.#close(message)));
  }

  async #answer({ runId, streamId }: StreamKey, work: Promise<Outcome>): Promise<void> {
    let outcome: Outcome;
    try {
      outcome = await work;
    } catch (error) {
      if (!(error instanceof StoreFailing || error instanceof RunGone)) {
        logger.error`what serve says of run ${runId} cannot be stored: ${messageOf(error)}`;
      }
      outcome = { outcome: error instanceof RunGone ? "gone" : "failed" };
    }
    this.#context.feed.send({ type: "journal", runId, streamId, committed: 0n, ...outcome });
  }

  async #open(message: MessageOf<"journal-open">): Promise<Outcome> {
    const { runId, streamId, startTimeUnixNs, metadataJson } = message;
    const { store, presence, runsChanged } = this.#context;
    if (!this.#presences.has(runId)) this.#presences.set(runId, presence.enter(runId));
    const stream = { runId, streamId };
    const { value } = await store.call("registerRun", {
      ...{ stream, startTimeUnixNs, metadataJson, tags: [] },
    });
    runsChanged();
    return { outcome: "opened", committed: value.committed.logs };
  }

  async #store({ lines, ...message }: MessageOf<"journal-lines">): Promise<Outcome> {
    const result = await this.#commit(message, lines);
    switch (result.outcome) {
      case "committed":
        return { outcome: "committed", committed: result.committed };
      case "gap":
        return { outcome: "failed" };
      case "refused":
        return { outcome: "gone" };
    }
  }

  #commit(
    { runId, streamId, firstSequence }: Omit<MessageOf<"journal-lines">, "lines">,
    lines: readonly LogRow[],
  ): Promise<GatheredResult> {
    const { bus, store } = this.#context;
    const gatherer = new ListGatherer<LogRow>();
    gatherer.add(lines, lines.reduce((sum, { text }) => sum + text.length, 0));
    return new Promise((resolve) => {
      const stream = { runId, streamId };
      const onCommitted = ({ batch, result }: Committed) => {
        bus.tell(batch, result);
        resolve(result);
      };
      const rows = new QueuedRows({ stream, kind: "logs", firstSequence, gatherer, onCommitted });
      rows.added(lines.length);
      store.enqueue(rows);
      store.added(lines.length, rows.bytes);
    });
  }

  async #close(message: MessageOf<"journal-close">): Promise<Outcome> {
    const { runId, timeUnixNs, state, reason } = message;
    const { store, presence, runsChanged } = this.#context;
    await store.call("finishRun", runId, { timeUnixNs, state, reason });
    this.#presences.get(runId)?.[Symbol.dispose]();
    this.#presences.delete(runId);
    // The presence that ended expects another one; nobody is to come.
    presence.forget(runId);
    runsChanged();
    return { outcome: "closed" };
  }
}
