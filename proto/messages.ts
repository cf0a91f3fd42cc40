/**
 * The messages of the live wire: their types, and the bodies that are JSON. Protocol version 1.
 *
 * A message is `u32 length, u8 type, u8 reserved = 0, u16 handle`, then a body of `length - 4` bytes; integers are
 * little-endian. `handle` is the subscription that the message belongs to, 0 for the session itself. The same bytes
 * travel on WebTransport streams, in WebTransport datagrams (one message each) and as binary WebSocket messages (one
 * message each). docs/wire.md tells it in words, with test vectors.
 */

import type { HudValues } from "./bodies.ts";

export const WIRE_VERSION = 1;
/** Bytes of a message's head. */
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
  KeyframeRequest: 8,
  Display: 9,
  Report: 10,
  Follow: 11,
  Route: 12,
  Welcome: 64,
  Runs: 65,
  State: 66,
  MediaOpen: 67,
  Frame: 68,
  Hud: 69,
  ProbeReply: 70,
  Reply: 71,
  Bye: 72,
  Commits: 73,
  Durable: 74,
} as const;
export type MessageType = typeof MessageType[keyof typeof MessageType];

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
  /** How frames shall come; `auto` leaves it to the server. */
  lane: LaneChoice;
  /** The lanes that this page can draw. Without WebCodecs (an insecure origin) there is no h264. */
  accepts: LaneKind[];
}

/** raw: pixels, lossless; h264: access units for WebCodecs; jpeg: pictures that any page can draw. */
export type LaneKind = "raw" | "h264" | "jpeg";
export type LaneChoice = LaneKind | "auto";

/** How the frames of a subscription come. */
export interface LaneState {
  kind: LaneKind;
  /** Why this one: "small picture", "no WebCodecs in this page", "forced", … */
  why: string;
  /** "x264 164", "the producer's own", …; null for raw and while none is open. */
  encoder: string | null;
  /** What the encoder aims at; null where nobody does. */
  bitrateKbps: number | null;
  /** Whether this viewer's display decides when frames are sampled. */
  phaseLocked: boolean;
  /** The cap that was set on the run because viewers cannot follow, frames per second; null = none. */
  rateMaxHz: number | null;
}

/**
 * What a viewer sees of itself, sent once a second for `/metrics`. Counts are of the time since the last report, times
 * are ms over that time, null without a sample.
 */
export interface ViewerReport {
  framesShown: number;
  /** Frames that came and were not drawn. */
  framesDropped: number;
  /** Time between two frames drawn. */
  frameTimeP50Ms: number | null;
  frameTimeP99Ms: number | null;
  /** Step to drawn. */
  latencyP50Ms: number | null;
  latencyP99Ms: number | null;
  decodeP50Ms: number | null;
  /** Frames drawn over one and a half times the usual time after the one before. */
  janks: number;
  /** Times that the worker's event loop stood still for over 50 ms. */
  stalls: number;
  /** Times that a decoder had to be started anew. */
  decoderRestarts: number;
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
  /** For `step` and `worker`: whether the worker has taken the event from its ring; false after 2 s without. */
  taken?: boolean;
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
  /** null while nothing is attached. */
  lane: LaneState | null;
}

/** Why the server ends the session; `retry` tells whether connecting again can help. */
export interface Bye {
  reason: string;
  retry: boolean;
}
