/** One blocking wait for all streams. */

import type { Controller } from "./controller.ts";
import { check, checkNonblocking } from "./errors.ts";
import { alive, openHandle } from "./handle.ts";
import { HubEvent } from "./layout.ts";
import type { RingReader } from "./reader.ts";
import type { NativeSymbols } from "./symbols.ts";

export const HubEventKind = {
  Frame: 1,
  Closed: 2,
  Dead: 3,
  Fault: 4,
  Replaced: 5,
  Polling: 6,
  /** A video stream has packets. */
  Packet: 7,
  /** A video stream opened or changed its encoder. */
  Encoder: 8,
  /** A video stream has no encoder left for some of its outputs: {@link Hub.outputsLost} says which. */
  NoEncoder: 9,
} as const;

/** More events than this wait for the next call; the library keeps them. */
const EVENTS_PER_CALL_MAX = 64;

/** The hub's events. One caller of {@link next} at a time, since a waiting call holds a thread of Deno's pool. */
export class Hub implements Disposable {
  readonly #native: NativeSymbols;
  readonly #events = new DataView(new ArrayBuffer(EVENTS_PER_CALL_MAX * HubEvent.bytes));
  readonly #readers = new Map<number, RingReader>();
  #pointer: Deno.PointerObject | null;
  #waiting = false;

  constructor(native: NativeSymbols) {
    this.#native = native;
    this.#pointer = openHandle(native, (out) => native.tele_hub_create(out));
  }

  get pointer(): Deno.PointerObject {
    return alive(this.#pointer, "the hub");
  }

  /** Adds a stream, disarmed. Without a controller it is polled every ms. Remove it before its controller is closed. */
  add(streamId: number, reader: RingReader, controller: Controller | null): void {
    const id = BigInt(streamId);
    const result = this.#native.tele_hub_add(
      this.pointer,
      id,
      reader.pointer,
      controller?.pointer ?? null,
    );
    check(this.#native, result);
    this.#readers.set(streamId, reader);
    reader.joinedHub();
  }

  remove(streamId: number): void {
    check(this.#native, this.#native.tele_hub_remove(this.pointer, BigInt(streamId)));
    this.#readers.get(streamId)!.leftHub();
    this.#readers.delete(streamId);
  }

  /** Asks for one Frame event, once head > `afterFrame` and not before `notBeforeNs` (CLOCK_MONOTONIC; 0 = at once). */
  arm(streamId: number, afterFrame: number, notBeforeNs: number): void {
    const result = this.#native.tele_hub_arm(
      this.pointer,
      BigInt(streamId),
      BigInt(afterFrame),
      BigInt(Math.round(notBeforeNs)),
    );
    check(this.#native, result);
  }

  disarm(streamId: number): void {
    check(this.#native, this.#native.tele_hub_disarm(this.pointer, BigInt(streamId)));
  }

  /** Waits until something is ready or `timeoutMs` passed. Resolves to the number of events, read by the getters. */
  async next(timeoutMs: number): Promise<number> {
    if (this.#waiting) throw new Error("a call of Hub.next is waiting already");
    this.#waiting = true;
    try {
      const result = await this.#native.tele_hub_next(
        this.pointer,
        timeoutMs,
        this.#events,
        EVENTS_PER_CALL_MAX,
      );
      return checkNonblocking("waiting for frames", result);
    } finally {
      this.#waiting = false;
    }
  }

  streamId(index: number): number {
    return Number(this.#events.getBigUint64(index * HubEvent.bytes + HubEvent.stream_id, true));
  }

  /** {@link HubEventKind} */
  kind(index: number): number {
    return this.#events.getUint32(index * HubEvent.bytes + HubEvent.kind, true);
  }

  /** Frames published, as the hub saw it. */
  headFrame(index: number): number {
    return Number(this.#events.getBigUint64(index * HubEvent.bytes + HubEvent.head, true));
  }

  /** For NoEncoder: the {@link import("./stream.ts").VideoOutput} bits of all outputs that have none. */
  outputsLost(index: number): number {
    return this.headFrame(index);
  }

  /** For Fault and NoEncoder: the errno. */
  detail(index: number): number {
    return this.#events.getUint32(index * HubEvent.bytes + HubEvent.detail, true);
  }

  /** CLOCK_MONOTONIC when the hub saw it. */
  wokenNs(index: number): bigint {
    return this.#events.getBigUint64(index * HubEvent.bytes + HubEvent.t_mono_ns, true);
  }

  /** Makes a waiting {@link next} return now. */
  wake(): void {
    check(this.#native, this.#native.tele_hub_wake(this.pointer));
  }

  [Symbol.dispose](): void {
    if (this.#pointer === null) return;
    if (this.#waiting) throw new Error("the hub is closed while a call of Hub.next waits");
    this.#native.tele_hub_destroy(this.#pointer);
    this.#pointer = null;
    for (const reader of this.#readers.values()) reader.leftHub();
    this.#readers.clear();
  }
}
