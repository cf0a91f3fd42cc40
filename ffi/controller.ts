/** The one controller of a run: pause, rate cap, input. */

import { check } from "./errors.ts";
import { alive, openHandle } from "./handle.ts";
import { Input } from "./layout.ts";
import type { RingReader } from "./reader.ts";
import type { NativeSymbols } from "./symbols.ts";

/** The lease is renewed by the hub for as long as the controller is on it. Dispose before its reader. */
export class Controller implements Disposable {
  readonly #native: NativeSymbols;
  readonly #runId: string;
  readonly #inputsHead = new BigUint64Array(1);
  readonly #inputsTail = new BigUint64Array(1);
  #pointer: Deno.PointerObject | null;

  /** Throws EBUSY when another process is the run's controller. */
  constructor(native: NativeSymbols, reader: RingReader) {
    this.#native = native;
    this.#runId = reader.runId;
    this.#pointer = openHandle(native, (out) => native.tele_controller_open(reader.pointer, out));
  }

  get pointer(): Deno.PointerObject {
    return alive(this.#pointer, `the controller of "${this.#runId}"`);
  }

  setPause(paused: boolean): void {
    check(this.#native, this.#native.tele_controller_set_pause(this.pointer, paused ? 1 : 0));
  }

  /** Caps the producer's frames; in millihertz, 0 = no cap. */
  setRateMax(rateMaxMhz: number): void {
    check(this.#native, this.#native.tele_controller_set_rate_max(this.pointer, rateMaxMhz));
  }

  /** Writes whole events of 32 bytes into the input ring. Returns how many; the rest is dropped and counted there. */
  sendInputs(events: Uint8Array<ArrayBuffer>): number {
    const eventsCount = events.byteLength / Input.bytes;
    return check(
      this.#native,
      this.#native.tele_controller_send_inputs(this.pointer, events, eventsCount),
    );
  }

  /** Input events written so far, and taken by the worker, both since the segment was made. */
  inputs(): { written: number; taken: number } {
    const { tele_controller_inputs } = this.#native;
    check(this.#native, tele_controller_inputs(this.pointer, this.#inputsHead, this.#inputsTail));
    return { written: Number(this.#inputsHead[0]), taken: Number(this.#inputsTail[0]) };
  }

  /** Tells the producer which frame was sampled last and how many were passed over. Advisory. */
  setSampled(tailFrame: number, framesSkipped: number): void {
    const tail = BigInt(tailFrame);
    check(
      this.#native,
      this.#native.tele_controller_set_sampled(this.pointer, tail, BigInt(framesSkipped)),
    );
  }

  /** Clears the control words, ends the lease and removes the socket. */
  [Symbol.dispose](): void {
    if (this.#pointer === null) return;
    this.#native.tele_controller_close(this.#pointer);
    this.#pointer = null;
  }
}
