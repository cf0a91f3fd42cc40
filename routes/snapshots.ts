/** Encodes single frames for people who look by hand; one at a time, in kept buffers. */

import { TelebridgeError } from "../ffi/errors.ts";
import type { Library } from "../ffi/library.ts";
import { ReadMode, type RingReader } from "../ffi/reader.ts";
import type { RunRegistry } from "../core/registry.ts";
import { HttpError } from "./exchange.ts";

/** Requests that wait for their turn; more are refused. */
const WAITING_MAX = 8;
const BUFFER_BYTES_FIRST = 64 * 1024;

export class Snapshots {
  readonly #library: Library;
  readonly #registry: RunRegistry;
  #frame = new Uint8Array(BUFFER_BYTES_FIRST);
  #jpeg = new Uint8Array(BUFFER_BYTES_FIRST);
  #waitingCount = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(library: Library, registry: RunRegistry) {
    this.#library = library;
    this.#registry = registry;
  }

  /** The run's newest frame as a JPEG. Throws {@link HttpError}. */
  async take(runId: string, quality: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#waitingCount >= WAITING_MAX) throw new HttpError(503, "too many snapshots at once");
    this.#waitingCount++;
    const turn = this.#last.then(() => this.#encode(runId, quality));
    this.#last = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      this.#waitingCount--;
    }
  }

  /** Resolves when nothing is being encoded. */
  async stop(): Promise<void> {
    await this.#last;
  }

  async #encode(runId: string, quality: number): Promise<Uint8Array<ArrayBuffer>> {
    const run = this.#registry.get(runId);
    if (run === null) throw new HttpError(404, `there is no run "${runId}"`);
    if (run.reader === null) throw new HttpError(410, `run "${runId}" has ended: ${run.reason}`);
    try {
      const frame = this.#read(run.reader);
      for (;;) {
        const bytes = await this.#library.encodeJpeg(frame, quality, this.#jpeg);
        if (bytes >= 0) return this.#jpeg.slice(0, bytes);
        this.#jpeg = new Uint8Array(-bytes);
      }
    } catch (error) {
      if (!(error instanceof TelebridgeError)) throw error;
      if (error.code !== "ENOTSUP") throw new HttpError(500, error.message);
      throw new HttpError(501, `run "${runId}" sends video, which is not decoded here`);
    }
  }

  #read(reader: RingReader): Uint8Array<ArrayBuffer> {
    for (;;) {
      const result = reader.read(0, ReadMode.Newest, this.#frame);
      if (result === "frame") return this.#frame.subarray(0, reader.bytesRead);
      if (result !== "small") throw new HttpError(404, `run "${reader.runId}" has no frame yet`);
      this.#frame = new Uint8Array(reader.bytesRead);
    }
  }
}
