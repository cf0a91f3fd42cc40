/** Reads one run's ring. */

import { check } from "./errors.ts";
import { alive, cString, openHandle } from "./handle.ts";
import { Hud, SlotHeader, Status } from "./layout.ts";
import type { NativeSymbols } from "./symbols.ts";

export const RunFlag = { Running: 1, Paused: 2, Closed: 4, OwnerLock: 8 } as const;
export const Owner = { Alive: 1, Dead: 2, Closed: 3 } as const;
export const ReadMode = { Newest: 0, Next: 1 } as const;
export type ReadMode = typeof ReadMode[keyof typeof ReadMode];

const ENOBUFS = 105;
const EAGAIN = 11;
const ESTALE = 116;
const TWO_POW_32 = 2 ** 32;

/** What a status call filled in. Counters are exact up to 2^53. */
export interface RingStatus {
  /** Frames published. */
  head: number;
  /** {@link RunFlag} bits. */
  flags: number;
  /** {@link Owner}. */
  owner: number;
  producerPid: number;
  /** The name now leads to another segment, or to none. */
  replaced: boolean;
}

/**
 * - `frame`: one was copied, {@link RingReader.bytesRead} long
 * - `none`: nothing newer
 * - `small`: the buffer must hold {@link RingReader.bytesRead} bytes
 * - `stale`: the next frame was overwritten
 */
export type ReadResult = "frame" | "none" | "small" | "stale";

/** Size and format of a run's newest frame. */
export interface PictureShape {
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  format: number;
}

export interface ReadCounters {
  /** Reads begun. */
  reads: number;
  /** Reads repeated because a slot changed meanwhile. */
  retries: number;
}

/** One attached segment. Status, reads and HUD allocate nothing: they fill buffers that the reader keeps. */
export class RingReader implements Disposable {
  readonly runId: string;
  /** CLOCK_REALTIME at the segment's creation, ns. */
  readonly epochNs: bigint;
  readonly status: RingStatus = {
    head: 0,
    flags: 0,
    owner: Owner.Alive,
    producerPid: 0,
    replaced: false,
  };
  /** The HUD block as last read, laid out as on the wire. */
  readonly hud: Uint8Array<ArrayBuffer> = new Uint8Array(Hud.bytes);
  readonly #native: NativeSymbols;
  readonly #statusWords = new Uint32Array(Status.bytes / 4);
  readonly #slotHeader = new DataView(new ArrayBuffer(SlotHeader.bytes));
  readonly #payload = new BigUint64Array(1);
  readonly #bytesOut = new Uint32Array(2);
  #pointer: Deno.PointerObject | null;
  #hubsCount = 0;
  #closing = false;

  constructor(native: NativeSymbols, runId: string) {
    this.#native = native;
    this.runId = runId;
    this.#pointer = openHandle(native, (out) => native.tele_reader_open(cString(runId), out));
    try {
      this.readStatus();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    this.epochNs = new BigUint64Array(this.#statusWords.buffer)[Status.epoch_ns / 8]!;
  }

  get pointer(): Deno.PointerObject {
    return alive(this.#pointer, `the reader of "${this.runId}"`);
  }

  /** Bytes that the last {@link read} copied, or would have. */
  get bytesRead(): number {
    return this.#bytesOut[0]! + this.#bytesOut[1]! * TWO_POW_32;
  }

  /** Fills {@link status}. Throws EFAULT when the segment was truncated. */
  readStatus(): RingStatus {
    const words = this.#statusWords;
    check(this.#native, this.#native.tele_reader_status(this.pointer, words));
    const status = this.status;
    status.head = words[Status.head / 4]! + words[Status.head / 4 + 1]! * TWO_POW_32;
    status.flags = words[Status.flags / 4]!;
    status.owner = words[Status.owner / 4]!;
    status.producerPid = words[Status.producer_pid / 4]!;
    status.replaced = words[Status.replaced / 4] !== 0;
    return status;
  }

  /**
   * Copies a frame numbered over `afterFrame` into `buffer`: its slot header, then the payload. Throws EPROTO for a
   * slot that lies, EFAULT for a truncated segment.
   */
  read(afterFrame: number, mode: ReadMode, buffer: Uint8Array<ArrayBuffer>): ReadResult {
    const result = this.#native.tele_reader_read(
      this.pointer,
      BigInt(afterFrame),
      mode,
      buffer,
      BigInt(buffer.byteLength),
      this.#bytesOut,
    );
    if (result === 1) return "frame";
    if (result === 0) return "none";
    if (result === -ENOBUFS) return "small";
    if (result === -ESTALE) return "stale";
    check(this.#native, result);
    throw new Error(`tele_reader_read returned ${result}`);
  }

  /** The newest frame's size and format, without its pixels; null before the first frame. */
  readShape(): PictureShape | null {
    const native = this.#native;
    const header = this.#slotHeader;
    const begun = native.tele_reader_begin(
      this.pointer,
      0n,
      ReadMode.Newest,
      header,
      this.#payload,
    );
    if (check(native, begun) === 0) return null;
    if (check(native, native.tele_reader_end(this.pointer, header)) === 0) return null;
    return {
      width: header.getUint32(SlotHeader.width, true),
      height: header.getUint32(SlotHeader.height, true),
      format: header.getUint32(SlotHeader.format, true),
    };
  }

  /** Fills {@link hud}; false when the worker never wrote one, or is writing it for longer than a reader waits. */
  readHud(): boolean {
    const result = this.#native.tele_reader_hud(this.pointer, this.hud);
    return result !== -EAGAIN && check(this.#native, result) === 1;
  }

  counters(): ReadCounters {
    const reads = new BigUint64Array(1);
    const retries = new BigUint64Array(1);
    this.#native.tele_reader_counters(this.pointer, reads, retries);
    return { reads: Number(reads[0]), retries: Number(retries[0]) };
  }

  /** Unlinks the segment when its owner is dead and the name still leads to it; true when it was removed. */
  removeStale(): boolean {
    return check(this.#native, this.#native.tele_reader_remove_stale(this.pointer)) === 1;
  }

  /** Another thread reads the ring from now on: until {@link leftHub} closing is put off. */
  joinedHub(): void {
    this.#hubsCount++;
  }

  leftHub(): void {
    this.#hubsCount--;
    if (this.#closing) this[Symbol.dispose]();
  }

  /** Closes the ring, or marks it to be closed as soon as no hub reads it. */
  [Symbol.dispose](): void {
    if (this.#pointer === null) return;
    this.#closing = this.#hubsCount > 0;
    if (this.#closing) return;
    this.#native.tele_reader_close(this.#pointer);
    this.#pointer = null;
  }
}
