/** What the page and its viewer worker say to each other. Nothing here carries a frame: those stay in the worker. */

import type {
  CommandName,
  HudValues,
  InputEvent,
  Reply,
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
}

/** First message of the page. Without a run, the worker only keeps the list of runs. */
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
  /** Why the newest frame could not be drawn. */
  drawError: string | null;
}

export type WorkerMessage =
  | { kind: "status"; status: ViewerStatus }
  | { kind: "runs"; runs: RunSummary[] }
  | { kind: "reply"; reply: Reply }
  | { kind: "saved"; id: number; png: Uint8Array<ArrayBuffer>; frame: number }
  | { kind: "save-failed"; id: number; reason: string };
