/** What the page and its viewer worker say to each other. Nothing here carries a frame: those stay in the worker. */

import type {
  CommandName,
  Commits,
  Durable,
  HudValues,
  InputEvent,
  LaneChoice,
  Reply,
  Route,
  RunSummary,
  StreamState,
} from "../proto/wire.ts";
import type { ConnectionStatus } from "./connection.ts";
import type { LatencySummary } from "./latency.ts";
import type { OverlaySettings, RendererChoice, RendererKind } from "./renderer.ts";
import type { TransportKind } from "./transport.ts";

/** The knobs of a subscription; see {@link import("../proto/wire.ts").Subscribe}. */
export interface StreamSettings {
  fpsMax: number;
  everyNth: number;
  stayLive: boolean;
  lane: LaneChoice;
  /** How long after its step a frame is drawn, ms, so that all are equally late; 0 = the newest, at once. */
  latencyMs: number;
  /** Whether the server may sample frames in time with this display. */
  phaseLock: boolean;
}

/** First message of the page. Without a picture, the worker only keeps the list of runs. */
export interface OpenViewer {
  kind: "open";
  /** Origin of the page, "http://127.0.0.1:7447". */
  origin: string;
  forcedTransport: TransportKind | null;
  picture: {
    run: string;
    canvas: OffscreenCanvas;
    forcedRenderer: RendererKind | null;
    settings: StreamSettings;
    overlay: OverlaySettings;
  } | null;
}

export type PageMessage =
  | OpenViewer
  | { kind: "settings"; settings: StreamSettings }
  | { kind: "overlay"; overlay: OverlaySettings }
  /** A hidden page receives no frames. */
  | { kind: "visible"; visible: boolean }
  | { kind: "connect" }
  /** The run whose commits are wanted; kept over sessions. */
  | { kind: "follow"; run: string | null }
  | { kind: "route"; route: Route }
  | { kind: "command"; id: number; command: CommandName; code?: number; value?: number }
  | { kind: "input"; events: InputEvent[] }
  | { kind: "save"; id: number; withOverlay: boolean };

/** The picture on the screen. */
export interface PictureStatus {
  width: number;
  height: number;
  format: number;
  frame: number;
  step: number;
  episode: number;
  reward: number;
  overlayWidth: number;
  overlayHeight: number;
}

/** Frames of the current subscription. */
export interface FrameCounters {
  received: number;
  shown: number;
  /** Passed over by the server (to stay live, by the cap, every n-th) and in the worker (a newer one was there). */
  skipped: number;
}

/** How encoded frames become pictures; figures of the last second. */
export interface DecodingStatus {
  /** As WebCodecs names it, "avc1.42E01F"; "jpeg". */
  codec: string;
  /** "hardware", "software", or "" where the browser does not tell. */
  acceleration: string;
  /** Bits of frames received, kbit/s. */
  bitrateKbps: number;
  /** Frames given to the decoder that have not come out. */
  decoderQueue: number;
  /** Decoded frames that wait for their time. */
  presenterQueue: number;
  /** Decoded pictures that are held, of all roles; one that leaks would show here. */
  leases: number;
  /** Times that the decoder was started anew. */
  restarts: number;
  keyframeRequests: number;
}

/** How smoothly it goes, of the last second. */
export interface HealthStatus {
  /** Frames drawn over one and a half times the usual time after the one before. */
  janks: number;
  /** Times that the worker's event loop stood still for over 50 ms. */
  stalls: number;
  /** What a person should know about the picture although frames arrive. */
  warning: "frozen" | "black" | null;
  /** For how long, ms. */
  warningForMs: number;
}

export interface ViewerStatus {
  connection: ConnectionStatus;
  stream: StreamState | null;
  picture: PictureStatus | null;
  hud: HudValues | null;
  counters: FrameCounters;
  /** Frames drawn in the last second. */
  framesPerSecond: number;
  latency: LatencySummary;
  /** Round trip of the clock probe in use, ms: half of it bounds the error of the latencies. */
  roundTripMs: number | null;
  renderer: (RendererChoice & { contextLost: boolean }) | null;
  /** null for raw frames, and before the first. */
  decoding: DecodingStatus | null;
  health: HealthStatus;
  /** Time between two frames of this display, ms; null until it is known. */
  displayPeriodMs: number | null;
  /** Why the newest frame could not be drawn. */
  drawError: string | null;
}

export type WorkerMessage =
  | { kind: "status"; status: ViewerStatus }
  | { kind: "runs"; runs: RunSummary[] }
  | { kind: "durable"; durable: Durable }
  | { kind: "commits"; commits: Commits }
  | { kind: "reply"; reply: Reply }
  | { kind: "saved"; id: number; png: Uint8Array<ArrayBuffer>; frame: number }
  | { kind: "save-failed"; id: number; reason: string };
