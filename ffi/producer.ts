/** Publishes a run from TypeScript: pictures that came from another machine, and those of tests and benchmarks. */

import { FRAME_KEYFRAME, type HudValues } from "../proto/wire.ts";
import { check } from "./errors.ts";
import { alive, cString, openHandle } from "./handle.ts";
import { Controls, Frame, Hud, Input, ProducerOptions } from "./layout.ts";
import type { NativeSymbols } from "./symbols.ts";

export interface ProducerFrame {
  /** Plane 0 and then the others; or the access unit, the JPEG. */
  pixels: Uint8Array<ArrayBuffer>;
  width: number;
  height: number;
  /** The ring's pixel format. */
  format: number;
  /** Bytes per row of plane 0; 0 = without padding. */
  stride?: number;
  /** An access unit that can be decoded without those before it. */
  keyframe?: boolean;
  step?: number | bigint;
  episode?: number | bigint;
  reward?: number;
  /** CLOCK_MONOTONIC when the worker had the frame; by default now. */
  tMonoNs?: bigint;
  /** `heat` has width * height bytes. */
  overlay?: { heat: Uint8Array<ArrayBuffer>; width: number; height: number };
}

export interface ProducerHud extends HudValues {
  /** NaN where there is none. */
  loss: number;
}

export interface ProducerControls {
  controllerAlive: boolean;
  pauseRequested: boolean;
  /** 0 = no cap. */
  rateMaxMhz: number;
  /** Counts all that were ever asked for; wraps at 2^32. */
  keyframeRequests: number;
}

export interface ProducerInput {
  kind: number;
  code: number;
  x: number;
  y: number;
  buttons: number;
  modifiers: number;
  /** CLOCK_MONOTONIC. */
  tNs: bigint;
}

function addressOf(bytes: Uint8Array<ArrayBuffer> | undefined): bigint {
  return bytes === undefined ? 0n : Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}

/** One segment, owned by this process. Disposing it marks the run as closed cleanly and unlinks the segment. */
export class Producer implements Disposable {
  readonly #native: NativeSymbols;
  readonly #frame = new DataView(new ArrayBuffer(Frame.bytes));
  #pointer: Deno.PointerObject | null;

  /** `capacity` is in slots, 0 for the library's choice. Throws EEXIST when the run is published already. */
  constructor(native: NativeSymbols, runId: string, payloadBytesMax: number, capacity = 0) {
    this.#native = native;
    const options = new BigUint64Array(ProducerOptions.bytes / 8);
    options[ProducerOptions.payload_bytes_max / 8] = BigInt(payloadBytesMax);
    options[ProducerOptions.capacity / 8] = BigInt(capacity);
    this.#pointer = openHandle(
      native,
      (out) => native.tele_producer_open(cString(runId), options, out),
    );
  }

  get #producer(): Deno.PointerObject {
    return alive(this.#pointer, "the producer");
  }

  publish(frame: ProducerFrame): void {
    const view = this.#frame;
    view.setBigUint64(Frame.pixels, addressOf(frame.pixels), true);
    view.setBigUint64(Frame.overlay, addressOf(frame.overlay?.heat), true);
    view.setBigUint64(Frame.pixels_bytes, BigInt(frame.pixels.byteLength), true);
    view.setBigUint64(Frame.step, BigInt(frame.step ?? 0), true);
    view.setBigUint64(Frame.episode, BigInt(frame.episode ?? 0), true);
    view.setFloat64(Frame.reward, frame.reward ?? 0, true);
    view.setBigUint64(Frame.t_mono_ns, frame.tMonoNs ?? 0n, true);
    view.setUint32(Frame.width, frame.width, true);
    view.setUint32(Frame.height, frame.height, true);
    view.setUint32(Frame.format, frame.format, true);
    view.setUint32(Frame.stride, frame.stride ?? 0, true);
    view.setUint32(Frame.flags, frame.keyframe ? FRAME_KEYFRAME : 0, true);
    view.setUint32(Frame.overlay_width, frame.overlay?.width ?? 0, true);
    view.setUint32(Frame.overlay_height, frame.overlay?.height ?? 0, true);
    check(this.#native, this.#native.tele_producer_publish(this.#producer, view));
  }

  setHud(hud: ProducerHud): void {
    const view = new DataView(new ArrayBuffer(Hud.bytes));
    view.setFloat64(Hud.last_reward, hud.lastReward, true);
    view.setFloat64(Hud.avg_reward_1s, hud.avgReward1s, true);
    view.setFloat64(Hud.step_rate_hz, hud.stepRateHz, true);
    view.setBigUint64(Hud.episode, BigInt(hud.episode), true);
    view.setBigUint64(Hud.step, BigInt(hud.step), true);
    view.setFloat64(Hud.episode_return, hud.episodeReturn, true);
    view.setFloat64(Hud.loss, hud.loss, true);
    check(this.#native, this.#native.tele_producer_set_hud(this.#producer, view));
  }

  controls(): ProducerControls {
    const words = new Uint32Array(Controls.bytes / 4);
    this.#native.tele_producer_controls(this.#producer, words);
    return {
      controllerAlive: words[Controls.controller_alive / 4] !== 0,
      pauseRequested: words[Controls.pause_requested / 4] !== 0,
      rateMaxMhz: words[Controls.rate_max_mhz / 4]!,
      keyframeRequests: words[Controls.keyframe_requests / 4]!,
    };
  }

  /** true when the worker should go on with its next step. */
  gate(timeoutMs: number): boolean {
    return check(this.#native, this.#native.tele_producer_gate(this.#producer, timeoutMs)) === 1;
  }

  /** Takes the oldest input event; null without one. */
  nextInput(): ProducerInput | null {
    const view = new DataView(new ArrayBuffer(Input.bytes));
    const taken = this.#native.tele_producer_next_input(this.#producer, view);
    if (check(this.#native, taken) === 0) return null;
    return {
      kind: view.getUint32(Input.kind, true),
      code: view.getUint32(Input.code, true),
      x: view.getFloat32(Input.x, true),
      y: view.getFloat32(Input.y, true),
      buttons: view.getUint32(Input.buttons, true),
      modifiers: view.getUint32(Input.modifiers, true),
      tNs: view.getBigUint64(Input.t_ns, true),
    };
  }

  [Symbol.dispose](): void {
    if (this.#pointer === null) return;
    this.#native.tele_producer_close(this.#pointer);
    this.#pointer = null;
  }
}
