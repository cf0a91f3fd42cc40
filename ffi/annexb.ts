/** A stream of H.264 in Annex-B as access units. telebridge.h, "H.264 as other programs write it", is the manual. */

import { check } from "./errors.ts";
import { alive, openHandle } from "./handle.ts";
import { AccessUnit } from "./layout.ts";
import type { NativeSymbols } from "./symbols.ts";

/** `tele_access_unit`'s flags. */
export const UnitFlag = { Keyframe: 1, BSlices: 2, Unusual: 4, AfterLoss: 8 } as const;

const EMSGSIZE = 90;

/** Bounded in memory, whatever it is given. */
export class AccessUnitSplitter implements Disposable {
  readonly #native: NativeSymbols;
  readonly #unit = new DataView(new ArrayBuffer(AccessUnit.bytes));
  #pointer: Deno.PointerObject | null;
  #unitsTooLarge = 0;

  constructor(native: NativeSymbols, unitBytesMax: number) {
    this.#native = native;
    this.#pointer = openHandle(native, (out) => native.tele_annexb_open(BigInt(unitBytesMax), out));
  }

  /** Those that were dropped for their size. */
  get unitsTooLarge(): number {
    return this.#unitsTooLarge;
  }

  /**
   * The units that are known to be whole once `bytes` have come; the last one stays until the next begins. Each is good
   * until the next is asked for.
   */
  *push(bytes: Uint8Array<ArrayBuffer>): Generator<SplitUnit> {
    for (let at = 0; at < bytes.byteLength;) {
      const rest = bytes.subarray(at);
      const result = this.#native.tele_annexb_push(this.#splitter, rest, BigInt(rest.byteLength));
      at += check(this.#native, Number(result));
      for (let unit = this.#take("next"); unit !== null; unit = this.#take("next")) yield unit;
    }
  }

  /** The last one: the stream has ended. */
  end(): SplitUnit | null {
    return this.#take("cut");
  }

  get #splitter(): Deno.PointerObject {
    return alive(this.#pointer, "the splitter");
  }

  #take(how: "next" | "cut"): SplitUnit | null {
    while (true) {
      const result = how === "next"
        ? this.#native.tele_annexb_next(this.#splitter, this.#unit)
        : this.#native.tele_annexb_cut(this.#splitter, this.#unit);
      if (result === -EMSGSIZE) {
        this.#unitsTooLarge++;
        continue;
      }
      if (check(this.#native, result) === 0) return null;
      const address = this.#unit.getBigUint64(AccessUnit.nals_bytes, true);
      return {
        pointer: Deno.UnsafePointer.create(address)!,
        bytesCount: Number(this.#unit.getBigUint64(AccessUnit.bytes_count, true)),
        flags: this.#unit.getUint32(AccessUnit.flags, true),
      };
    }
  }

  [Symbol.dispose](): void {
    if (this.#pointer === null) return;
    this.#native.tele_annexb_close(this.#pointer);
    this.#pointer = null;
  }
}

/** One access unit, in the splitter's memory. */
export interface SplitUnit {
  pointer: Deno.PointerObject;
  bytesCount: number;
  /** {@link UnitFlag} bits. */
  flags: number;
}
