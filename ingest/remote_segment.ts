/** The local ring that one run's pictures from another machine are published in; made anew when they outgrow it. */

import * as grpc from "@grpc/grpc-js";
import { TelebridgeError } from "../ffi/errors.ts";
import { Input } from "../ffi/layout.ts";
import type { Library } from "../ffi/library.ts";
import type {
  Producer,
  ProducerControls,
  ProducerFrame,
  ProducerHud,
  ProducerInput,
} from "../ffi/producer.ts";
import { segmentViaGrpc } from "../core/picture_route.ts";
import { PixelFormat } from "../proto/gen/telebridge/v1/publish_pb.ts";
import { GrpcError } from "./grpc_service.ts";

/** Only the newest counts, and it is converted in place while later ones come. */
const SLOTS_OF_PICTURES = 8;
/** A chain is read in order: room for a second of it. */
const SLOTS_OF_CHAIN = 64;
const SLOTS_MIN = 4;
/** Wanted at most, while there is room for as many slots as are needed. */
const RING_BYTES_WANTED = 64 * 1024 * 1024;
/** An access unit may be several times as large as the one before. */
const CHAIN_BYTES_MIN = 256 * 1024;
const CHAIN_HEADROOM = 4;
const SMALL_STEP_BYTES = 64 * 1024;
const LARGE_STEP_BYTES = 1024 * 1024;
/** Input events that the ring holds. */
const INPUTS_MAX = 256;

const NO_CONTROLS: ProducerControls = {
  controllerAlive: false,
  pauseRequested: false,
  rateMaxMhz: 0,
  keyframeRequests: 0,
};

export interface RemoteSegmentOptions {
  library: Library;
  runId: string;
  /** Bytes that it may take now. */
  bytesFree: () => number;
}

export class RemoteSegment implements Disposable {
  readonly name: string;
  readonly #options: RemoteSegmentOptions;
  #producer: Producer | null = null;
  #frameBytesMax = 0;
  #bytes = 0;
  #hud: ProducerHud | null = null;

  constructor(options: RemoteSegmentOptions) {
    this.#options = options;
    this.name = segmentViaGrpc(options.runId);
  }

  /** Shared memory that it takes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a frame of so many bytes needs a new ring, where no frame before it is. */
  outgrown(frameBytes: number): boolean {
    return frameBytes > this.#frameBytesMax;
  }

  /** Throws {@link GrpcError}: the frame is refused. */
  publish(frame: ProducerFrame, frameBytes: number): void {
    if (this.outgrown(frameBytes)) this.#grow(frame.format, frameBytes);
    try {
      this.#producer!.publish(frame);
    } catch (error) {
      throw refusalOf(error);
    }
  }

  setHud(hud: ProducerHud): void {
    this.#hud = hud;
    this.#producer?.setHud(hud);
  }

  controls(): ProducerControls {
    return this.#producer?.controls() ?? NO_CONTROLS;
  }

  /** Says that the worker waits, if it is still asked to, or that it goes on. */
  showPaused(): void {
    this.#producer?.gate(0);
  }

  /** Input that waits, as events of the ring; their times by `toWorkerNs`. null: none. */
  takeInputs(toWorkerNs: (tNs: bigint) => bigint): Uint8Array | null {
    let event = this.#producer?.nextInput() ?? null;
    if (event === null) return null;
    const view = new DataView(new ArrayBuffer(INPUTS_MAX * Input.bytes));
    let bytes = 0;
    while (event !== null) {
      writeInput(view, bytes, event, toWorkerNs);
      bytes += Input.bytes;
      event = bytes < view.byteLength ? this.#producer!.nextInput() : null;
    }
    return new Uint8Array(view.buffer, 0, bytes);
  }

  #grow(format: number, frameBytes: number): void {
    const chain = format === PixelFormat.H264;
    const wanted = chain ? Math.max(CHAIN_BYTES_MIN, frameBytes * CHAIN_HEADROOM) : frameBytes;
    const frameBytesMax = rounded(wanted);
    const slotsMax = chain ? SLOTS_OF_CHAIN : SLOTS_OF_PICTURES;
    const slotsWanted = Math.min(slotsMax, Math.floor(RING_BYTES_WANTED / frameBytesMax));
    const slots = Math.max(SLOTS_MIN, slotsWanted);
    const bytes = slots * frameBytesMax;
    const { runId, library, bytesFree } = this.#options;
    if (bytes > bytesFree() + this.#bytes) {
      throw new GrpcError(
        grpc.status.RESOURCE_EXHAUSTED,
        `there is no shared memory left for pictures of run "${runId}" (${bytes} bytes)`,
      );
    }
    this[Symbol.dispose]();
    this.#producer = openProducer(library, this.name, frameBytesMax, slots);
    this.#frameBytesMax = frameBytesMax;
    this.#bytes = bytes;
    if (this.#hud !== null) this.#producer.setHud(this.#hud);
  }

  [Symbol.dispose](): void {
    this.#producer?.[Symbol.dispose]();
    this.#producer = null;
    this.#frameBytesMax = 0;
    this.#bytes = 0;
  }
}

/** In steps, so that a worker whose pictures grow by a byte each time does not make a ring for each. */
function rounded(bytes: number): number {
  const step = bytes > LARGE_STEP_BYTES ? LARGE_STEP_BYTES : SMALL_STEP_BYTES;
  return Math.ceil(bytes / step) * step;
}

/** With fewer slots where /dev/shm is short: containers often have 64 MiB of it in all. */
function openProducer(
  library: Library,
  segment: string,
  frameBytesMax: number,
  slots: number,
): Producer {
  while (true) {
    try {
      return library.openProducer(segment, frameBytesMax, slots);
    } catch (error) {
      const full = error instanceof TelebridgeError && error.code === "ENOSPC";
      if (!full || slots === SLOTS_MIN) throw refusalOf(error);
      slots = Math.max(SLOTS_MIN, slots >> 1);
    }
  }
}

const STATUS_OF: Readonly<Record<string, grpc.status>> = {
  EINVAL: grpc.status.INVALID_ARGUMENT,
  EEXIST: grpc.status.ALREADY_EXISTS,
  ENOSPC: grpc.status.RESOURCE_EXHAUSTED,
  EMFILE: grpc.status.RESOURCE_EXHAUSTED,
};

function refusalOf(error: unknown): unknown {
  if (!(error instanceof TelebridgeError)) return error;
  return new GrpcError(STATUS_OF[error.code] ?? grpc.status.UNAVAILABLE, error.message);
}

function writeInput(
  view: DataView,
  at: number,
  event: ProducerInput,
  toWorkerNs: (tNs: bigint) => bigint,
): void {
  view.setUint32(at + Input.kind, event.kind, true);
  view.setUint32(at + Input.code, event.code, true);
  view.setFloat32(at + Input.x, event.x, true);
  view.setFloat32(at + Input.y, event.y, true);
  view.setUint32(at + Input.buttons, event.buttons, true);
  view.setUint32(at + Input.modifiers, event.modifiers, true);
  view.setBigUint64(at + Input.t_ns, toWorkerNs(event.tNs), true);
}
