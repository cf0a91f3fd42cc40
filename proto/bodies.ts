/** Binary bodies: the HUD block, input events, acks, clock probes, a display's times. */

import { encodeBinary, requireBytes, viewOf, WireError } from "./codec.ts";
import { MessageType } from "./messages.ts";

/** Body of {@link MessageType.Hud}: the ring's HUD block, 56 bytes. Counters are exact up to 2^53. */
export interface HudValues {
  lastReward: number;
  avgReward1s: number;
  stepRateHz: number;
  episode: number;
  step: number;
  episodeReturn: number;
  /** NaN (null in JSON) where there is none. */
  loss: number | null;
}
export const HUD_BYTES = 56;

/** One input event, 32 bytes, laid out as in the ring; `tNs` is written by the server. */
export interface InputEvent {
  kind: number;
  code: number;
  x: number;
  y: number;
  buttons: number;
  modifiers: number;
}
export const INPUT_BYTES = 32;
export const INPUT_EVENTS_PER_MESSAGE_MAX = 64;

export const InputKind = {
  Pointer: 1,
  Wheel: 2,
  Key: 3,
  Resize: 4,
  Command: 5,
  ReleaseAll: 6,
} as const;

/** What the viewer drew last; repeated every 100 ms while nothing new comes, since datagrams get lost. */
export interface Ack {
  /** Number of the newest frame drawn. */
  frame: number;
  /** Frames drawn in this subscription so far. */
  framesShown: number;
}

/** A clock probe's answer. `tPageMs` is the page's own clock, echoed. */
export interface ProbeReply {
  tPageMs: number;
  tServerNs: bigint;
}

export function decodeHud(body: Uint8Array): HudValues {
  const view = requireBytes("a HUD block", body, HUD_BYTES);
  return {
    lastReward: view.getFloat64(0, true),
    avgReward1s: view.getFloat64(8, true),
    stepRateHz: view.getFloat64(16, true),
    episode: Number(view.getBigUint64(24, true)),
    step: Number(view.getBigUint64(32, true)),
    episodeReturn: view.getFloat64(40, true),
    loss: view.getFloat64(48, true),
  };
}

export function encodeInputs(handle: number, events: InputEvent[]): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(events.length * INPUT_BYTES);
  const view = viewOf(body);
  events.forEach((event, index) => {
    const offset = index * INPUT_BYTES;
    view.setUint32(offset, event.kind, true);
    view.setUint32(offset + 4, event.code, true);
    view.setFloat32(offset + 8, event.x, true);
    view.setFloat32(offset + 12, event.y, true);
    view.setUint32(offset + 16, event.buttons, true);
    view.setUint32(offset + 20, event.modifiers, true);
  });
  return encodeBinary(MessageType.Input, handle, body);
}

/** Checks an input body: whole events, at most 64, known kinds, finite coordinates. Returns the events' bytes. */
export function checkInputs(body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const events = body.byteLength / INPUT_BYTES;
  if (!Number.isInteger(events) || events < 1 || events > INPUT_EVENTS_PER_MESSAGE_MAX) {
    throw new WireError(`an input message of ${body.byteLength} bytes is not 1 to 64 events`);
  }
  const view = viewOf(body);
  for (let offset = 0; offset < body.byteLength; offset += INPUT_BYTES) {
    const kind = view.getUint32(offset, true);
    const finite = Number.isFinite(view.getFloat32(offset + 8, true)) &&
      Number.isFinite(view.getFloat32(offset + 12, true));
    if (kind < InputKind.Pointer || kind > InputKind.ReleaseAll || !finite) {
      throw new WireError(`input event ${offset / INPUT_BYTES} of kind ${kind} is not valid`);
    }
  }
  return body;
}

export function encodeAck(handle: number, ack: Ack): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(16);
  const view = viewOf(body);
  view.setBigUint64(0, BigInt(ack.frame), true);
  view.setBigUint64(8, BigInt(ack.framesShown), true);
  return encodeBinary(MessageType.Ack, handle, body);
}

export function decodeAck(body: Uint8Array): Ack {
  const view = requireBytes("an ack", body, 16);
  return {
    frame: Number(view.getBigUint64(0, true)),
    framesShown: Number(view.getBigUint64(8, true)),
  };
}

export function encodeProbe(tPageMs: number): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(8);
  viewOf(body).setFloat64(0, tPageMs, true);
  return encodeBinary(MessageType.Probe, 0, body);
}

/** Answers a probe's body with the server's clock. */
export function encodeProbeReply(probe: Uint8Array, tServerNs: bigint): Uint8Array<ArrayBuffer> {
  const tPageMs = requireBytes("a probe", probe, 8).getFloat64(0, true);
  const body = new Uint8Array(16);
  const view = viewOf(body);
  view.setFloat64(0, tPageMs, true);
  view.setBigUint64(8, tServerNs, true);
  return encodeBinary(MessageType.ProbeReply, 0, body);
}

export function decodeProbeReply(body: Uint8Array): ProbeReply {
  const view = requireBytes("a probe reply", body, 16);
  return { tPageMs: view.getFloat64(0, true), tServerNs: view.getBigUint64(8, true) };
}

/**
 * When the viewer's display shows its next frames, so that the server can sample the newest frame just in time. ms of
 * the server's CLOCK_MONOTONIC.
 */
export interface Display {
  /** A moment at which the display takes what was drawn. */
  phaseMs: number;
  /** Time between two such moments; 0 = the viewer wants frames as they come. */
  periodMs: number;
  /** How long before such a moment a frame must be sampled to be drawn by then: p95 of the path, with a margin. */
  leadMs: number;
}

export function encodeDisplay(handle: number, display: Display): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(24);
  const view = viewOf(body);
  view.setFloat64(0, display.phaseMs, true);
  view.setFloat64(8, display.periodMs, true);
  view.setFloat64(16, display.leadMs, true);
  return encodeBinary(MessageType.Display, handle, body);
}

/** Reads a display's times. Throws {@link WireError} for numbers that no display has. */
export function decodeDisplay(body: Uint8Array): Display {
  const view = requireBytes("a display's times", body, 24);
  const display = {
    phaseMs: view.getFloat64(0, true),
    periodMs: view.getFloat64(8, true),
    leadMs: view.getFloat64(16, true),
  };
  const { phaseMs, periodMs, leadMs } = display;
  const sane = phaseMs >= 0 && phaseMs < 1e14 && leadMs >= 0 && leadMs <= 1000 &&
    (periodMs === 0 || (periodMs >= 1 && periodMs <= 1000));
  if (!sane) throw new WireError(`a display's times are out of range: ${Object.values(display)}`);
  return display;
}
