/**
 * The live wire: every message between a viewer page and the server, protocol version 1.
 *
 * A message is `u32 length, u8 type, u8 reserved = 0, u16 handle`, then a body of `length - 4` bytes; integers are
 * little-endian. `handle` is the subscription that the message belongs to, 0 for the session itself. The same bytes
 * travel on WebTransport streams, in WebTransport datagrams (one message each) and as binary WebSocket messages (one
 * message each). docs/wire.md tells it in words, with test vectors.
 */

export const WIRE_VERSION = 1;
export const HEAD_BYTES = 8;

/** Largest message that a viewer may send; the server ends a session that announces more. */
export const VIEWER_MESSAGE_BYTES_MAX = 64 * 1024;
/** Largest message that a server may send: an 8K RGBA frame with its overlay fits. */
export const SERVER_MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/** Message types; from 64 on they go from server to viewer. */
export const MessageType = {
  Hello: 1,
  Subscribe: 2,
  Unsubscribe: 3,
  Command: 4,
  Input: 5,
  Probe: 6,
  Ack: 7,
  Welcome: 64,
  Runs: 65,
  State: 66,
  MediaOpen: 67,
  Frame: 68,
  Hud: 69,
  ProbeReply: 70,
  Reply: 71,
  Bye: 72,
} as const;
export type MessageType = typeof MessageType[keyof typeof MessageType];

// ---- JSON bodies ---------------------------------------------------------------------------------------------------

/** First message of every session. Exactly one of `ticket` (from `/api/session`, single use) and `token` is given. */
export interface Hello {
  version: number;
  ticket?: string;
  token?: string;
}

/** Answer to {@link Hello}. */
export interface Welcome {
  version: number;
  /** Version of the server's program, "major.minor.patch". */
  server: string;
  /** Changes with every start of the server, so that a page notices a restart. */
  instance: string;
  /** `view`: commands and input are refused. */
  access: "control" | "view";
  runs: RunSummary[];
}

export type RunPhase = "live" | "idle" | "paused" | "ended" | "error";

/** One row of the runs page. Times are ms since the epoch. */
export interface RunSummary {
  id: string;
  /** live: frames came within 2 s; idle: attached to nothing newer; ended: the producer closed or died. */
  phase: RunPhase;
  /** Why, for `error` and `ended`. */
  reason?: string;
  pid: number;
  startedAtMs: number;
  endedAtMs?: number;
  frames: number;
  /** Frames per second over the last second. */
  framesPerSecond: number;
  width?: number;
  height?: number;
  format?: number;
  viewers: number;
  hud?: HudValues;
}

/** Subscribes the message's handle to a run, or changes the settings of that subscription. */
export interface Subscribe {
  run: string;
  /** Frames per second that the viewer wants at most, 0.1 to 1000; 0 = no cap. */
  fpsMax: number;
  /** Only every n-th frame of the run; 1 = all. */
  everyNth: number;
  /** true: always the newest frame; false: every frame in order, as long as the ring still holds it. */
  stayLive: boolean;
}

export type CommandName =
  | "pause"
  | "resume"
  | "step"
  | "take-control"
  | "release-control"
  | "worker";

/** A command to the handle's run; answered by {@link Reply} with the same id. */
export interface Command {
  id: number;
  command: CommandName;
  /** For `worker`: the worker's own command code, from 256. */
  code?: number;
  /** For `worker`: its value. */
  value?: number;
}

export interface Reply {
  id: number;
  ok: boolean;
  error?: string;
}

/** State of a subscription, sent on every change. */
export interface StreamState {
  run: string;
  /** waiting: no such run yet; live: attached; ended: the producer closed or died; error: see message. */
  phase: "waiting" | "live" | "ended" | "error";
  message?: string;
  paused: boolean;
  /** Who sends input: this viewer, another one, nobody. */
  control: "you" | "other" | "none";
  /** false: the server is not the run's controller (another program may be), so that pause and input cannot be had. */
  controllable: boolean;
  /** The run's epoch: CLOCK_REALTIME at its segment's creation, ns, in decimal; changes when the producer starts anew. */
  epoch: string;
}

/** Why the server ends the session; `retry` tells whether connecting again can help. */
export interface Bye {
  reason: string;
  retry: boolean;
}

// ---- Binary bodies -------------------------------------------------------------------------------------------------

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

/** Pixel formats of the ring (docs/ring.md). */
export const PixelFormat = {
  Rgb8: 1,
  Rgba8: 2,
  Bgra8: 3,
  Gray8: 4,
  Nv12: 5,
  I420: 6,
  H264: 16,
  Jpeg: 17,
} as const;
export type PixelFormat = typeof PixelFormat[keyof typeof PixelFormat];

/**
 * Body of {@link MessageType.Frame}: 128 bytes laid out as the ring's slot header, then the payload (pixels, and the
 * overlay at `overlayOffset`). Three fields mean something else than in the ring: offset 0 is `tSentNs`, 104 is
 * `tWokenNs`, 112 is `framesSkipped`.
 */
export interface FrameHeader {
  /** Server's CLOCK_MONOTONIC, ns, when the frame was handed to the transport. */
  tSentNs: bigint;
  /** Number of the frame in its run, from 1. */
  frame: number;
  step: number;
  episode: number;
  reward: number;
  /** CLOCK_MONOTONIC, ns, when the worker had the frame. */
  tMonoNs: bigint;
  /** CLOCK_REALTIME, ns, at the same moment. */
  tRealNs: bigint;
  width: number;
  height: number;
  format: number;
  /** Bytes per row of plane 0. */
  stride: number;
  payloadBytes: number;
  flags: number;
  overlayWidth: number;
  overlayHeight: number;
  overlayFormat: number;
  overlayBytes: number;
  overlayOffset: number;
  /** Server's CLOCK_MONOTONIC, ns, when the hub saw the frame. */
  tWokenNs: bigint;
  /** Frames that this viewer was not sent so far, to stay live or by its own cap. */
  framesSkipped: number;
}
export const FRAME_HEADER_BYTES = 128;
/** Offset of a frame's payload in its message. */
export const FRAME_PAYLOAD_OFFSET = HEAD_BYTES + FRAME_HEADER_BYTES;

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

// ---- Codec ---------------------------------------------------------------------------------------------------------

/** A message whose body is a view into the bytes it came in. */
export interface Message {
  type: number;
  handle: number;
  body: Uint8Array<ArrayBuffer>;
}

/** Bytes that are no message of this protocol. */
export class WireError extends Error {
  override name = "WireError";
}

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder("utf-8", { fatal: true });

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Writes a message's head over the first 8 bytes of `message`, whose length is the message's. */
export function writeHead(message: Uint8Array, type: MessageType, handle: number): void {
  const view = viewOf(message);
  view.setUint32(0, message.byteLength - 4, true);
  view.setUint8(4, type);
  view.setUint8(5, 0);
  view.setUint16(6, handle, true);
}

/** A message with a JSON body. */
export function encodeJson(
  type: MessageType,
  handle: number,
  body: unknown,
): Uint8Array<ArrayBuffer> {
  return encodeBinary(type, handle, textEncoder.encode(JSON.stringify(body)));
}

/** A message with a body of bytes, copied. */
export function encodeBinary(
  type: MessageType,
  handle: number,
  body: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(HEAD_BYTES + body.byteLength);
  message.set(body, HEAD_BYTES);
  writeHead(message, type, handle);
  return message;
}

/** Reads one whole message. Throws {@link WireError} when its length is not that of `bytes`. */
export function decodeMessage(bytes: Uint8Array<ArrayBuffer>): Message {
  if (bytes.byteLength < HEAD_BYTES) {
    throw new WireError(`a message has at least ${HEAD_BYTES} bytes, got ${bytes.byteLength}`);
  }
  const view = viewOf(bytes);
  const announced = view.getUint32(0, true) + 4;
  if (announced !== bytes.byteLength) {
    throw new WireError(`a message of ${bytes.byteLength} bytes announces ${announced}`);
  }
  return {
    type: view.getUint8(4),
    handle: view.getUint16(6, true),
    body: bytes.subarray(HEAD_BYTES),
  };
}

/** Parses a JSON body. What comes back is unchecked: the server validates it with a schema. */
export function decodeJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(textDecoder.decode(body));
  } catch (error) {
    throw new WireError(`a body that should be JSON is not: ${(error as Error).message}`);
  }
}

/** Cuts a byte stream into messages. Bounded by `messageBytesMax`; holds at most one unfinished message. */
export class MessageSplitter {
  readonly #messageBytesMax: number;
  #head = new Uint8Array(HEAD_BYTES);
  #headBytes = 0;
  #message: Uint8Array<ArrayBuffer> | null = null;
  #messageBytes = 0;

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** Takes the next bytes of the stream and yields each message they complete, in memory of its own. */
  *push(chunk: Uint8Array): Generator<Message> {
    let offset = 0;
    while (offset < chunk.byteLength) {
      if (this.#message === null) {
        const taken = Math.min(HEAD_BYTES - this.#headBytes, chunk.byteLength - offset);
        this.#head.set(chunk.subarray(offset, offset + taken), this.#headBytes);
        this.#headBytes += taken;
        offset += taken;
        if (this.#headBytes < HEAD_BYTES) return;
        this.#begin();
      }
      const message = this.#message!;
      const taken = Math.min(message.byteLength - this.#messageBytes, chunk.byteLength - offset);
      message.set(chunk.subarray(offset, offset + taken), this.#messageBytes);
      this.#messageBytes += taken;
      offset += taken;
      if (this.#messageBytes === message.byteLength) {
        this.#message = null;
        this.#headBytes = 0;
        yield decodeMessage(message);
      }
    }
  }

  #begin(): void {
    const messageBytes = viewOf(this.#head).getUint32(0, true) + 4;
    if (messageBytes < HEAD_BYTES || messageBytes > this.#messageBytesMax) {
      throw new WireError(
        `a message announces ${messageBytes} bytes; ${HEAD_BYTES} to ${this.#messageBytesMax} are allowed`,
      );
    }
    this.#message = new Uint8Array(messageBytes);
    this.#message.set(this.#head);
    this.#messageBytes = HEAD_BYTES;
  }
}

function requireBytes(what: string, body: Uint8Array, bytes: number): DataView {
  if (body.byteLength < bytes) {
    throw new WireError(`${what} has ${bytes} bytes, got ${body.byteLength}`);
  }
  return viewOf(body);
}

/** Reads a frame's 128 bytes in front of its payload, and checks that the payload holds what it announces. */
export function decodeFrameHeader(body: Uint8Array): FrameHeader {
  const view = requireBytes("a frame header", body, FRAME_HEADER_BYTES);
  const header: FrameHeader = {
    tSentNs: view.getBigUint64(0, true),
    frame: Number(view.getBigUint64(8, true)),
    step: Number(view.getBigUint64(16, true)),
    episode: Number(view.getBigUint64(24, true)),
    reward: view.getFloat64(32, true),
    tMonoNs: view.getBigUint64(40, true),
    tRealNs: view.getBigUint64(48, true),
    width: view.getUint32(56, true),
    height: view.getUint32(60, true),
    format: view.getUint32(64, true),
    stride: view.getUint32(68, true),
    payloadBytes: view.getUint32(72, true),
    flags: view.getUint32(76, true),
    overlayWidth: view.getUint32(80, true),
    overlayHeight: view.getUint32(84, true),
    overlayFormat: view.getUint32(88, true),
    overlayBytes: view.getUint32(92, true),
    overlayOffset: view.getUint32(96, true),
    tWokenNs: view.getBigUint64(104, true),
    framesSkipped: Number(view.getBigUint64(112, true)),
  };
  const present = body.byteLength - FRAME_HEADER_BYTES;
  if (header.payloadBytes > present || header.overlayOffset + header.overlayBytes > present) {
    throw new WireError(`a frame announces ${header.payloadBytes} bytes and carries ${present}`);
  }
  return header;
}

/** Fields that the server sets over a slot header copied from the ring; `message` is the whole frame message. */
export function stampFrame(
  message: Uint8Array,
  handle: number,
  stamp: { tSentNs: bigint; tWokenNs: bigint; framesSkipped: number },
): void {
  writeHead(message, MessageType.Frame, handle);
  const view = viewOf(message);
  view.setBigUint64(HEAD_BYTES, stamp.tSentNs, true);
  view.setBigUint64(HEAD_BYTES + 104, stamp.tWokenNs, true);
  view.setBigUint64(HEAD_BYTES + 112, BigInt(stamp.framesSkipped), true);
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
