/** One segment that is being watched: its reader on the hub, and its controller unless another program has it. */

import type { Controller } from "../ffi/controller.ts";
import { TelebridgeError } from "../ffi/errors.ts";
import type { Hub } from "../ffi/hub.ts";
import { Input } from "../ffi/layout.ts";
import type { Library } from "../ffi/library.ts";
import type { ReadMode, RingReader } from "../ffi/reader.ts";
import { FRAME_HEADER_BYTES, HEAD_BYTES, InputKind } from "../proto/wire.ts";
import type { FrameBuffer, FramePool } from "./frame_pool.ts";

/** The ring's commands of its own; from 256 on they are the worker's. */
export const RingCommand = { Pause: 1, Resume: 2, Step: 3, WorkerFirst: 256 } as const;

/** Errors that say that the segment was truncated or lies. */
const RING_FAULTS: ReadonlySet<string> = new Set(["EFAULT", "EPROTO"]);

/** Dispose before the reader is closed. */
export class Attachment implements Disposable {
  readonly streamId: number;
  readonly reader: RingReader;
  #controller: Controller | null = null;
  #whyUncontrolled = "";
  #onHub = false;
  #lent = false;
  readonly #hub: Hub;
  readonly #library: Library;
  readonly #onDispose: () => void;
  readonly #event = new DataView(new ArrayBuffer(Input.bytes));
  #armed = false;
  #armedAfterFrame = 0;
  #armedNotBeforeNs = 0;

  constructor(
    library: Library,
    hub: Hub,
    streamId: number,
    reader: RingReader,
    onDispose: () => void,
  ) {
    this.#library = library;
    this.#hub = hub;
    this.streamId = streamId;
    this.reader = reader;
    this.#onDispose = onDispose;
    this.#openController();
    try {
      this.#joinHub();
    } catch (error) {
      this.#controller?.[Symbol.dispose]();
      throw error;
    }
  }

  #joinHub(): void {
    this.#hub.add(this.streamId, this.reader, this.#lent ? null : this.#controller);
    this.#onHub = true;
  }

  #rejoinHub(): void {
    this.#leaveHub();
    this.#joinHub();
    this.#armed = false;
  }

  /** A stream's thread waits with the controller from now on; the hub polls, and must be armed anew. */
  lend(): void {
    this.#lent = true;
    this.#rejoinHub();
  }

  /** The stream is closed: the hub waits with the controller again, and must be armed anew. */
  takeBack(): void {
    this.#lent = false;
    this.#rejoinHub();
  }

  #leaveHub(): void {
    if (!this.#onHub) return;
    this.#onHub = false;
    this.#hub.remove(this.streamId);
  }

  /** A run can be watched without a controller, whatever keeps it away; only a ring that lies is the run's end. */
  #openController(): void {
    try {
      this.#controller = this.#library.openController(this.reader);
    } catch (error) {
      if (!(error instanceof TelebridgeError) || RING_FAULTS.has(error.code)) throw error;
      this.#whyUncontrolled = error.code === "EBUSY"
        ? "another program controls it"
        : error.message;
    }
  }

  /** Why there is no controller. */
  get whyUncontrolled(): string {
    return this.#whyUncontrolled;
  }

  /** null: another program is the run's controller, or the control socket cannot be had. */
  get controller(): Controller | null {
    return this.#controller;
  }

  /** Becomes the run's controller if what kept it away has gone; the hub must be armed anew then. */
  takeController(): boolean {
    this.#openController();
    if (this.#controller === null) return false;
    this.#rejoinHub();
    return true;
  }

  /** Copies a frame numbered over `afterFrame` into a buffer of the pool. */
  read(afterFrame: number, mode: ReadMode, pool: FramePool): FrameBuffer | "none" | "stale" {
    let buffer = pool.take();
    for (;;) {
      const result = this.reader.read(afterFrame, mode, buffer.slot);
      if (result === "frame") {
        buffer.messageBytes = HEAD_BYTES + this.reader.bytesRead;
        return buffer;
      }
      pool.give(buffer);
      if (result !== "small") return result;
      buffer = pool.take(HEAD_BYTES + Math.max(this.reader.bytesRead, FRAME_HEADER_BYTES));
    }
  }

  /** Asks the hub for one event, once there is a frame over `afterFrame` and not before `notBeforeNs`. */
  arm(afterFrame: number, notBeforeNs: number): void {
    const same = this.#armedAfterFrame === afterFrame && this.#armedNotBeforeNs === notBeforeNs;
    if (this.#armed && same) return;
    this.#hub.arm(this.streamId, afterFrame, notBeforeNs);
    this.#armed = true;
    this.#armedAfterFrame = afterFrame;
    this.#armedNotBeforeNs = notBeforeNs;
  }

  disarm(): void {
    if (this.#armed) this.#hub.disarm(this.streamId);
    this.#armed = false;
  }

  /** The hub disarms a stream with its frame event. */
  onFrameEvent(): void {
    this.#armed = false;
  }

  /** Forwards whole events, stamped with the time of their arrival here. Returns how many found no room. */
  sendInputs(events: Uint8Array<ArrayBuffer>): number {
    const view = new DataView(events.buffer, events.byteOffset, events.byteLength);
    const tNs = this.#library.clockMonoNs();
    for (let offset = 0; offset < events.byteLength; offset += Input.bytes) {
      view.setBigUint64(offset + Input.t_ns, tNs, true);
    }
    if (this.#controller === null) return 0;
    return events.byteLength / Input.bytes - this.#controller.sendInputs(events);
  }

  /** Returns whether the worker's ring had room for it. */
  sendCommand(code: number, value = 0): boolean {
    return this.#sendEvent(InputKind.Command, code, value);
  }

  /** Tells the worker that no key or button is down any more. */
  sendReleaseAll(): void {
    this.#sendEvent(InputKind.ReleaseAll, 0, 0);
  }

  #sendEvent(kind: number, code: number, x: number): boolean {
    const view = this.#event;
    view.setUint32(Input.kind, kind, true);
    view.setUint32(Input.code, code, true);
    view.setFloat32(Input.x, x, true);
    return this.sendInputs(new Uint8Array(view.buffer)) === 0;
  }

  [Symbol.dispose](): void {
    // A reader that was closed meanwhile lives until the hub lets go of it; the controller needs it longer.
    this.reader.joinedHub();
    try {
      this.#leaveHub();
    } finally {
      this.#controller?.[Symbol.dispose]();
      this.reader.leftHub();
      this.#onDispose();
    }
  }
}
