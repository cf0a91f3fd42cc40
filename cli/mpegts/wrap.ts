/** A command's H.264 on its stdout becomes MPEG-TS on ours, access unit by access unit. MPEG-TS passes as it is. */

import { type SplitUnit, UnitFlag } from "../../ffi/annexb.ts";
import type { Library } from "../../ffi/library.ts";
import type { TsMuxer } from "../../ffi/ts_mux.ts";
import { ArrivalClock } from "./arrival_clock.ts";

/** Of one keyframe of 8K there would be less. A longer one is no H.264, and is dropped. */
const UNIT_BYTES_MAX = 16 * 2 ** 20;
/** Every packet of MPEG-TS begins with it. */
const TS_SYNC = 0x47;
const TS_PACKET_BYTES = 188;
const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;

export interface Wrapped {
  unitsPacked: number;
  /** In front of the first keyframe, or behind damage and in front of the next. */
  unitsLeftOut: number;
  unitsTooLarge: number;
  /** They have B-frames, whose order by time is not that in which they come. */
  hasBFrames: boolean;
  /** It was MPEG-TS already, and nothing was packed. */
  isTs: boolean;
  /** Whoever read us is gone. */
  isReaderGone: boolean;
}

export interface WrapOptions {
  /** null: units are shown as they come. */
  fps: number | null;
  /** ms, of a clock that never goes back. */
  now: () => number;
}

/** Ends when `input` does, or `output` is read no more. At most one chunk of the input waits: a slow reader slows the command. */
export async function wrapInTs(
  library: Library,
  input: ReadableStream<Uint8Array<ArrayBuffer>>,
  output: { write(bytes: Uint8Array): Promise<number> },
  { fps, now }: WrapOptions,
): Promise<Wrapped> {
  using splitter = library.openSplitter(UNIT_BYTES_MAX);
  using muxer = library.openTsMuxer();
  const clock = new ArrivalClock();
  const timeOf = fps === null
    ? (arrivalMs: number) => clock.timeOf(arrivalMs * NS_PER_MS)
    : (_: number, index: number) => index / fps * NS_PER_S;
  const packer = new Packer(muxer, timeOf);
  let isTs: boolean | null = null;
  let isReaderGone = false;
  try {
    for await (const bytes of input) {
      isTs ??= beginsTs(bytes);
      if (isTs) {
        await writeAll(output, bytes);
        continue;
      }
      const arrivalMs = now();
      for (const unit of splitter.push(bytes)) await writeAll(output, packer.pack(unit, arrivalMs));
    }
    const last = splitter.end();
    if (last !== null) await writeAll(output, packer.pack(last, now()));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    isReaderGone = true;
  }
  const { unitsPacked, unitsLeftOut, hasBFrames } = packer;
  const { unitsTooLarge } = splitter;
  const isTsAlready = isTs === true;
  return { unitsPacked, unitsLeftOut, unitsTooLarge, hasBFrames, isTs: isTsAlready, isReaderGone };
}

function beginsTs(bytes: Uint8Array): boolean {
  if (bytes.byteLength < TS_PACKET_BYTES || bytes[0] !== TS_SYNC) return false;
  return bytes.byteLength === TS_PACKET_BYTES || bytes[TS_PACKET_BYTES] === TS_SYNC;
}

/** Begins with a keyframe, also behind damage. */
class Packer {
  readonly #muxer: TsMuxer;
  readonly #timeOf: (arrivalMs: number, index: number) => number;
  #waitsForKeyframe = true;
  unitsPacked = 0;
  unitsLeftOut = 0;
  hasBFrames = false;

  constructor(muxer: TsMuxer, timeOf: (arrivalMs: number, index: number) => number) {
    this.#muxer = muxer;
    this.#timeOf = timeOf;
  }

  /** Empty where the unit is left out. */
  pack(unit: SplitUnit, arrivalMs: number): Uint8Array<ArrayBuffer> {
    if (unit.flags & UnitFlag.AfterLoss) this.#waitsForKeyframe = true;
    if (unit.flags & UnitFlag.Keyframe) this.#waitsForKeyframe = false;
    if (unit.flags & UnitFlag.BSlices) this.hasBFrames = true;
    if (this.#waitsForKeyframe) {
      this.unitsLeftOut++;
      return new Uint8Array();
    }
    return this.#muxer.pack(unit, this.#timeOf(arrivalMs, this.unitsPacked++));
  }
}

/** On another thread, so that signals are still passed on while a slow reader lets us wait. */
async function writeAll(
  output: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) at += await output.write(bytes.subarray(at));
}
