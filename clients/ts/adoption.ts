/** Spools that dead processes left are sent by whoever comes next, with their own streams. */

import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Channel } from "./channel.ts";
import { sendCheckpoints } from "./checkpoints.ts";
import { Courier, type CourierParts } from "./courier.ts";
import { placeKey } from "./discovery.ts";
import { Outbox } from "./outbox.ts";
import { type RunEnd, type Session, streamIdBytes } from "./session.ts";
import { Spool, type StreamAbout } from "./spool.ts";

/** One that takes longer is left, as far as it has come, to the next client. */
const ONE_MS_MAX = 10 * 60_000;

export type AdopterParts = Pick<
  CourierParts,
  "place" | "spoolDirectory" | "warnings" | "random"
>;

export class Adopter {
  readonly #parts: AdopterParts;
  #isStopped = false;
  #running: Promise<void> | null = null;
  #isAborted = false;
  #abortCurrent = () => {};
  /** Streams that were sent to their end. */
  adopted = 0;

  constructor(parts: AdopterParts) {
    this.#parts = parts;
  }

  /** Looks for them, unless it does so already. */
  start(): void {
    if (this.#isStopped || this.#running !== null) return;
    this.#running = this.#adoptAll().catch((error) => {
      const { message } = error as Error;
      this.#parts.warnings.once("adoption", `cannot send what an earlier run left: ${message}`);
    }).finally(() => this.#running = null);
  }

  async #adoptAll(): Promise<void> {
    for (const folder of await Spool.abandoned(this.#parts.spoolDirectory)) {
      if (this.#isAborted) return;
      if (!await this.#isForThisServer(folder)) continue;
      const tag = Math.floor(this.#parts.random() * 2 ** 32).toString(16).padStart(8, "0");
      const spool = await Spool.adopt(folder, tag);
      if (spool !== null) await this.#send(spool);
    }
  }

  async #isForThisServer(folder: string): Promise<boolean> {
    try {
      const about: StreamAbout = JSON.parse(await readFile(join(folder, "about.json"), "utf8"));
      return about.place === placeKey(this.#parts.place);
    } catch {
      return false;
    }
  }

  async #send(spool: Spool): Promise<void> {
    const outbox = new Outbox();
    for (const [kind, { offset, last }] of await spool.survey()) {
      outbox.lanes[kind].offset = offset;
      outbox.lanes[kind].given = last;
    }
    const connection = Promise.withResolvers<[Channel, Session]>();
    const courier = new Courier({
      ...this.#parts,
      about: spool.about,
      outbox,
      spool,
      onConnected: (channel, session) => connection.resolve([channel, session]),
    });
    const { promise: aborted, resolve: abort } = Promise.withResolvers<false>();
    this.#abortCurrent = () => abort(false);
    courier.start();
    const isSent = await Promise.race([courier.settled(ONE_MS_MAX, false), aborted]);
    const isDone = isSent && await this.#sendRest(spool, connection.promise, aborted);
    await courier.stop();
    if (!isDone) return spool.release();
    this.adopted++;
    await spool.remove();
  }

  /** Files, and how the run ended. */
  async #sendRest(
    spool: Spool,
    connected: Promise<[Channel, Session]>,
    aborted: Promise<false>,
  ): Promise<boolean> {
    const send = async () => {
      const [channel, session] = await connected;
      const { about } = spool;
      const opening = {
        runId: about.runId,
        streamId: streamIdBytes(about),
        wantSynced: false,
      };
      await sendCheckpoints(spool.folder, channel, opening, this.#parts.warnings);
      const path = join(spool.folder, "finish.json");
      const end = await readFile(path, "utf8").catch(() => null);
      if (end !== null) {
        await session.finishRun(JSON.parse(end) as RunEnd);
        await rm(path);
      }
      return true;
    };
    return await Promise.race([send().catch(() => false), aborted]);
  }

  #abort(): void {
    this.#isAborted = true;
    this.#abortCurrent();
  }

  /** What was not sent within the time stays for the next client. */
  async stop(patienceMs: number): Promise<void> {
    this.#isStopped = true;
    const timer = setTimeout(() => this.#abort(), patienceMs);
    await this.#running;
    clearTimeout(timer);
  }
}
