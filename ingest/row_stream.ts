/**
 * Rows of a run as a call's answers: what is stored, then what is committed, as it is committed. All of it is read from
 * the store by a cursor, and the bus only says that there is more. So nothing is lost or told twice where history meets
 * the present, and a subscriber that is slow holds no queue: it finds more rows at its next read.
 */

import type * as grpc from "@grpc/grpc-js";
import type { RowKind, RowsByKind } from "../core/storage/records.ts";
import type { Cursor, Page } from "../core/storage/store.ts";
import type { RunBus } from "./run_bus.ts";

export interface RowStreamOptions<Kind extends RowKind, Answer> {
  runId: string;
  kind: Kind;
  bus: RunBus;
  /** Where the history begins; null: at the beginning. */
  after: Cursor | null;
  follow: boolean;
  read: (after: Cursor | null) => Promise<Page<RowsByKind[Kind]>>;
  /** `caughtUp`: the subscriber had been live, and was too slow since. */
  answerOf: (rows: RowsByKind[Kind], caughtUp: boolean) => Answer;
  isEmpty: (rows: RowsByKind[Kind]) => boolean;
}

/** Resolves when all is told, or the client is gone. */
export async function streamRows<Kind extends RowKind, Answer>(
  call: grpc.ServerWritableStream<unknown, Answer>,
  options: RowStreamOptions<Kind, Answer>,
): Promise<void> {
  const { runId, kind, bus, follow, read, answerOf, isEmpty } = options;
  const bell = new Bell();
  call.on("cancelled", () => bell.ring());
  using _subscription = bus.subscribe(runId, {
    onRows: (rows) => rows.kind === kind && bell.ring(),
    onMissed: () => bell.ring(),
  });
  let { after } = options;
  let wasLive = false;
  let behind = false;
  while (!call.cancelled) {
    bell.silence();
    const page = await read(after);
    after = page.end;
    if (!isEmpty(page.rows)) await write(call, answerOf(page.rows, wasLive && behind));
    behind = page.next !== null;
    if (behind) continue;
    if (!follow) return;
    wasLive = true;
    if (!call.cancelled) await bell.rung();
  }
}

/** Rings once for all that happens until it is silenced. */
class Bell {
  #ringing = Promise.withResolvers<void>();

  ring(): void {
    this.#ringing.resolve();
  }

  rung(): Promise<void> {
    return this.#ringing.promise;
  }

  silence(): void {
    this.#ringing = Promise.withResolvers<void>();
  }
}

/** Resolves when the client takes more, or is gone. */
async function write<Answer>(
  call: grpc.ServerWritableStream<unknown, Answer>,
  answer: Answer,
): Promise<void> {
  if (call.write(answer) || call.cancelled) return;
  await new Promise<void>((resolve) => {
    call.once("drain", () => resolve());
    call.once("cancelled", () => resolve());
  });
}
