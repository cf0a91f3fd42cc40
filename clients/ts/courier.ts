/** Brings one stream's rows to the server: connects, again and again; sends; spools while the server is away. */

import { type ServiceError, status } from "@grpc/grpc-js";
import { Channel } from "./channel.ts";
import { findEndpoint, type Place, RefusedError } from "./discovery.ts";
import type { Lane } from "./lane.ts";
import { lastSequenceOf } from "./lane.ts";
import {
  AWAY_MS_BEFORE_SPOOL,
  CALL_BYTES_IN_FLIGHT_MAX,
  QUEUE_BYTES_SPOOLED,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
  TICK_MS,
} from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import { Session } from "./session.ts";
import { Spool, type StreamAbout } from "./spool.ts";
import type { Warnings } from "./warnings.ts";

/** A disk that could not be written is tried again so much later. */
const SPOOL_RETRY_MS = 5_000;
const ASKED_FOR_SYNCED = new Error("opened again, to hear what is synced");

export interface CourierParts {
  place: Place;
  about: StreamAbout;
  outbox: Outbox;
  /** Where the spool is made when it is needed. */
  spoolDirectory: string;
  /** An adopted one. */
  spool: Spool | null;
  warnings: Warnings;
  /** From 0 to 1: spreads the attempts of many clients. */
  random: () => number;
  /** On each connection: what else is to be said over it. */
  onConnected?: (channel: Channel, session: Session) => void;
}

function isRefusal(error: unknown): boolean {
  const refusals: number[] = [status.UNAUTHENTICATED, status.PERMISSION_DENIED];
  return error instanceof RefusedError || refusals.includes((error as ServiceError).code);
}

export class Courier {
  readonly #parts: CourierParts;
  #spool: Spool | null;
  #session: Session | null = null;
  #wantSynced = false;
  #awaySinceMs = performance.now();
  #spoolAfterMs = 0;
  #rowsSpooled = 0;
  #isStopped = false;
  #turn: Promise<void> = Promise.resolve();
  #turnIsDue = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #connecting: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};
  readonly #waiters = new Set<() => void>();
  /** Why there is no connection, for people; "" while there is one. */
  awayBecause = "not connected yet";

  constructor(parts: CourierParts) {
    this.#parts = parts;
    this.#spool = parts.spool;
  }

  start(): void {
    this.#timer = setInterval(() => this.#takeTurn(), TICK_MS);
    this.#connecting = this.#stayConnected();
  }

  get session(): Session | null {
    return this.#session;
  }

  get spool(): Spool | null {
    return this.#spool;
  }

  /** Rows that were written to the spool so far. */
  get rowsSpooled(): number {
    return this.#rowsSpooled;
  }

  /** Resolves to whether all rows given so far are acked (as synced, if asked) within the time. */
  settled(timeoutMs: number, synced: boolean): Promise<boolean> {
    const { outbox } = this.#parts;
    outbox.cut();
    if (synced) this.#askForSynced();
    const goals = outbox.all.map((lane) => ({ lane, goal: lane.given }));
    const isDone = () =>
      goals.every(({ lane, goal }) =>
        lane.committed >= goal && (!synced || goal === 0 || lane.synced >= goal)
      );
    if (isDone()) return Promise.resolve(true);
    this.#takeTurn();
    return this.#until(isDone, timeoutMs);
  }

  /** Resolves to whether there is a session within the time. */
  connected(timeoutMs: number): Promise<boolean> {
    return this.#until(() => this.#session !== null, timeoutMs);
  }

  #until(isDone: () => boolean, timeoutMs: number): Promise<boolean> {
    if (isDone()) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const settle = (done: boolean) => {
      clearTimeout(timer);
      this.#waiters.delete(look);
      resolve(done);
    };
    const look = () => {
      if (isDone()) settle(true);
      else if (this.#isStopped) settle(false);
    };
    const timer = setTimeout(() => settle(isDone()), timeoutMs);
    this.#waiters.add(look);
    return promise;
  }

  #look(): void {
    for (const look of [...this.#waiters]) look();
  }

  #askForSynced(): void {
    this.#wantSynced = true;
    if (this.#session?.wantSynced === false) {
      this.#session.close(ASKED_FOR_SYNCED);
    }
  }

  async #stayConnected(): Promise<void> {
    let waitMs = RECONNECT_MS_MIN;
    while (!this.#isStopped) {
      const connectedAtMs = performance.now();
      try {
        await this.#connectOnce();
        // A server that ends each connection at once is not asked ten times a second.
        if (performance.now() - connectedAtMs > RECONNECT_MS_MAX) waitMs = RECONNECT_MS_MIN;
      } catch (error) {
        this.#complain(error);
      }
      if (this.#isStopped) return;
      await this.#nap(waitMs * (0.75 + this.#parts.random() / 2));
      waitMs = Math.min(waitMs * 2, RECONNECT_MS_MAX);
    }
  }

  async #connectOnce(): Promise<void> {
    const { place, about, outbox, warnings, onConnected } = this.#parts;
    await using channel = new Channel(await findEndpoint(place));
    if (this.#isStopped) return;
    const session = await Session.open({
      channel,
      about,
      outbox,
      wantSynced: this.#wantSynced,
      warnings,
      events: {
        onProgress: () => this.#look(),
        onOffset: (lane) => this.#onOffset(lane),
      },
    });
    if (this.#isStopped) return;
    this.#session = session;
    this.awayBecause = "";
    warnings.settled("away");
    onConnected?.(channel, session);
    this.#look();
    this.#takeTurn();
    if (this.#wantSynced && !session.wantSynced) session.close(ASKED_FOR_SYNCED); // asked meanwhile
    const reason = await session.ended;
    this.#session = null;
    this.#awaySinceMs = performance.now();
    this.awayBecause = reason.message;
  }

  #complain(error: unknown): void {
    const { about, warnings } = this.#parts;
    const message = (error as ServiceError).details || (error as Error).message;
    this.awayBecause = message;
    const kept = `rows of "${about.runId}" are kept on disk meanwhile`;
    if (isRefusal(error)) warnings.once("refused-entry", `${message}; ${kept}`);
    else warnings.once("away", `${message}; trying again, ${kept}`);
  }

  #nap(durationMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, durationMs);
    this.#wake = () => {
      clearTimeout(timer);
      resolve();
    };
    return promise;
  }

  /** Turns are taken one after another; one that is asked for meanwhile comes next. */
  #takeTurn(): void {
    if (this.#turnIsDue) return;
    this.#turnIsDue = true;
    this.#turn = this.#turn.then(() => {
      this.#turnIsDue = false;
      return this.#moveRows();
    });
  }

  async #moveRows(): Promise<void> {
    const { outbox, warnings } = this.#parts;
    try {
      outbox.cut();
      if (this.#shallSpool()) await this.#spoolAll();
      await this.#fillWindows();
      await this.#clearSpool();
    } catch (error) {
      this.#spoolAfterMs = performance.now() + SPOOL_RETRY_MS;
      const { message } = error as Error;
      warnings.once("spool", `cannot use the spool: ${message}; rows are kept in memory`);
    }
    this.#session?.pump();
    this.#look();
  }

  #shallSpool(): boolean {
    const nowMs = performance.now();
    if (nowMs < this.#spoolAfterMs || this.#parts.outbox.bytes === 0) return false;
    if (this.#parts.outbox.bytes > QUEUE_BYTES_SPOOLED) return true;
    return this.#session === null && nowMs - this.#awaySinceMs > AWAY_MS_BEFORE_SPOOL;
  }

  /** Writes all that is in memory alone. Beyond the spool's limit rows stay there. */
  async #spoolAll(): Promise<void> {
    const { outbox, warnings } = this.#parts;
    const spool = await this.openSpool();
    if (!spool.hasRoom) {
      return warnings.once("spool-full", `the spool is full (${spool.bytes} bytes): rows wait`);
    }
    const batches = outbox.unspooled();
    if (spool.bytes === 0) await this.#writeOffsets(spool);
    await spool.append(batches);
    outbox.spooled(batches);
    this.#rowsSpooled += batches.reduce((rows, { count }) => rows + count, 0);
  }

  async openSpool(): Promise<Spool> {
    return this.#spool ??= await Spool.create(this.#parts.spoolDirectory, this.#parts.about);
  }

  async #writeOffsets(spool: Spool): Promise<void> {
    for (const lane of this.#parts.outbox.all) {
      if (lane.offset > 0) await spool.appendOffset(lane.kind, lane.committed + 1, lane.offset);
    }
  }

  #onOffset(lane: Lane): void {
    const spool = this.#spool;
    if (spool === null || spool.bytes === 0) return;
    this.#turn = this.#turn.then(() =>
      spool.appendOffset(lane.kind, lane.committed + 1, lane.offset)
    ).catch(() => {}); // without it rows could be stored twice, if this process were killed too
  }

  async #fillWindows(): Promise<void> {
    const { outbox } = this.#parts;
    const hasRoom = (lane: Lane) =>
      lane.window.reduce((bytes, { rows }) => bytes + rows.byteLength, 0) <
        CALL_BYTES_IN_FLIGHT_MAX;
    for (let kind = await this.#spool?.peek(); kind; kind = await this.#spool?.peek()) {
      const lane = outbox.lanes[kind] as Lane;
      if (!hasRoom(lane)) return;
      const batch = await this.#spool!.next();
      if (batch !== null && lastSequenceOf(batch) > lane.windowEnd) lane.window.push(batch);
    }
    for (const lane of outbox.all) lane.window.push(...lane.fresh.splice(0));
  }

  async #clearSpool(): Promise<void> {
    const spool = this.#spool;
    if (spool === null || spool.bytes === 0 || !spool.drained) return;
    const isNeeded = this.#parts.outbox.all.some(({ window }) =>
      window.some(({ onDisk }) => onDisk)
    );
    if (!isNeeded) await spool.clear();
  }

  /** Ends all of it. Rows that are not acked are in the spool then, which is left to the next client. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#session?.close(new Error("stopped"));
    this.#wake();
    await Promise.all([this.#connecting, this.#turn]);
    const { outbox, warnings } = this.#parts;
    outbox.cut();
    try {
      if (outbox.bytes > 0) await this.#spoolAll();
    } catch (error) {
      warnings.once("spool", `cannot use the spool: ${(error as Error).message}; rows are lost`);
    }
    this.#look();
  }
}
