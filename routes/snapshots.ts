/** Encodes single frames for people who look by hand; one at a time, in kept buffers. */

import { TelebridgeError } from "../ffi/errors.ts";
import type { Library } from "../ffi/library.ts";
import { ReadMode, type RingReader } from "../ffi/reader.ts";
import type { RunRegistry } from "../core/registry.ts";
import { openSegment } from "../core/segment_reader.ts";
import { PixelFormat } from "../proto/wire.ts";
import { HttpError } from "./exchange.ts";

/** Requests that wait for their turn; more are refused. */
const WAITING_MAX = 8;
const BUFFER_BYTES_FIRST = 64 * 1024;
/** A producer that encodes is given so long to answer a request for a keyframe. */
const KEYFRAME_MS_MAX = 2_000;

export class Snapshots {
  readonly #library: Library;
  readonly #registry: RunRegistry;
  #frame = new Uint8Array(BUFFER_BYTES_FIRST);
  #jpeg = new Uint8Array(BUFFER_BYTES_FIRST);
  #waitingCount = 0;
  #last: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(library: Library, registry: RunRegistry) {
    this.#library = library;
    this.#registry = registry;
  }

  /** The run's newest frame as a JPEG. Throws {@link HttpError}. */
  async take(runId: string, quality: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#stopped) throw new HttpError(503, "the server is stopping");
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

  /** Takes none any more. Resolves when nothing is being encoded: the library may be closed then. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#last;
  }

  async #encode(runId: string, quality: number): Promise<Uint8Array<ArrayBuffer>> {
    const run = this.#registry.get(runId);
    if (run === null) throw new HttpError(404, `there is no run "${runId}"`);
    if (run.reader === null) throw new HttpError(410, `run "${runId}" has ended: ${run.reason}`);
    try {
      // H.264 is a chain: its newest picture takes all access units since a keyframe, and ms of decoding.
      if (run.reader.readShape()?.format === PixelFormat.H264) {
        return await this.#decode(run.reader, quality);
      }
      const frame = this.#read(run.reader);
      return await this.#grown((jpeg) => this.#library.encodeJpeg(frame, quality, jpeg));
    } catch (error) {
      if (!(error instanceof TelebridgeError)) throw error;
      if (error.code !== "ETIMEDOUT") throw new HttpError(500, error.message);
      throw new HttpError(503, `run "${runId}" sends no keyframe, so that there is no picture yet`);
    }
  }

  /** Through a reader of its own, since it goes on for ms on another thread. */
  async #decode({ runId, epochNs }: RingReader, quality: number): Promise<Uint8Array<ArrayBuffer>> {
    using reader = openSegment(this.#library, runId, epochNs);
    if (reader === null) throw new HttpError(410, `run "${runId}" has just ended`);
    return await this.#grown((jpeg) =>
      this.#library.snapshot(reader, quality, KEYFRAME_MS_MAX, jpeg)
    );
  }

  /** Encodes into the kept buffer, which grows to what is needed. */
  async #grown(
    encode: (jpeg: Uint8Array<ArrayBuffer>) => Promise<number>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    for (;;) {
      const bytes = await encode(this.#jpeg);
      if (bytes >= 0) return this.#jpeg.slice(0, bytes);
      this.#jpeg = new Uint8Array(-bytes);
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
