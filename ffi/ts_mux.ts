/** H.264 as an MPEG transport stream, live. telebridge.h, "MPEG transport stream", is the manual. */

import type { SplitUnit } from "./annexb.ts";
import { check } from "./errors.ts";
import { alive, openHandle } from "./handle.ts";
import type { NativeSymbols } from "./symbols.ts";

/** As `TELE_TS_BYTES_MAX`. */
const bytesMaxOf = (unitBytes: number) => (Math.floor(unitBytes / 184) + 4) * 188;

export class TsMuxer implements Disposable {
  readonly #native: NativeSymbols;
  readonly #bytesOut = new BigUint64Array(1);
  #packets = new Uint8Array(0);
  #pointer: Deno.PointerObject | null;

  constructor(native: NativeSymbols) {
    this.#native = native;
    this.#pointer = openHandle(native, (out) => native.tele_ts_mux_open(out));
  }

  /** The packets of one access unit, good until the next call. `timeNs`: when it is shown; it must rise. */
  pack(unit: SplitUnit, timeNs: number): Uint8Array<ArrayBuffer> {
    const bytesMax = bytesMaxOf(unit.bytesCount);
    if (this.#packets.byteLength < bytesMax) this.#packets = new Uint8Array(bytesMax * 2);
    const result = this.#native.tele_ts_mux_pack(
      alive(this.#pointer, "the transport stream"),
      unit.pointer,
      BigInt(unit.bytesCount),
      unit.flags,
      BigInt(Math.round(timeNs)),
      this.#packets,
      BigInt(this.#packets.byteLength),
      this.#bytesOut,
    );
    check(this.#native, result);
    return this.#packets.subarray(0, Number(this.#bytesOut[0]));
  }

  [Symbol.dispose](): void {
    if (this.#pointer === null) return;
    this.#native.tele_ts_mux_close(this.#pointer);
    this.#pointer = null;
  }
}
