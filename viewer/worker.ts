/** The viewer worker: everything between the network and the canvas. The page only sends settings and shows numbers. */

import {
  type Commits,
  decodeJson,
  decodeMessage,
  type Durable,
  encodeJson,
  MessageType,
  type Reply,
  type RunSummary,
} from "../proto/wire.ts";
import { type Abilities, probeAbilities } from "./abilities.ts";
import { ServerClock } from "./clock.ts";
import { Connection } from "./connection.ts";
import { FramePool } from "./frame_pool.ts";
import { LatencyMeter } from "./latency.ts";
import type { HealthStatus, OpenViewer, PageMessage, ViewerStatus } from "./messages.ts";
import { createLaneOpener } from "./open_lane.ts";
import { Picture } from "./picture.ts";
import { PictureHealth } from "./picture_health.ts";
import { workerScope } from "./worker_scope.ts";

/** Numbers on the page change ten times a second: faster cannot be read. */
const STATUS_MS = 100;

/** Of a page without a picture. */
const NO_HEALTH: HealthStatus = { janks: 0, stalls: 0, warning: null, warningForMs: 0 };

type MessageHandler = (message: PageMessage) => void;

function startViewer(options: OpenViewer, abilities: Abilities): MessageHandler {
  const pool = new FramePool();
  const clock = new ServerClock();
  let followedRun: string | null = null;
  const noLatency = new LatencyMeter().summary(0);
  const connection = new Connection({
    openLane: createLaneOpener(options.origin, pool),
    forcedLane: options.forcedTransport,
    clock,
    random: Math.random,
    onStatus: postStatus,
    onOpen(welcome) {
      postRuns(welcome.runs);
      picture?.sessionOpened();
      sendFollow();
    },
    onMessage(message) {
      switch (message.type) {
        case MessageType.Runs:
          return postRuns((decodeJson(message.body) as { runs: RunSummary[] }).runs);
        case MessageType.Reply:
          return workerScope.postMessage({
            kind: "reply",
            reply: decodeJson(message.body) as Reply,
          });
        case MessageType.Durable:
          return workerScope.postMessage({
            kind: "durable",
            durable: decodeJson(message.body) as Durable,
          });
        case MessageType.Commits:
          return workerScope.postMessage({
            kind: "commits",
            commits: decodeJson(message.body) as Commits,
          });
      }
      picture?.receive(message);
      if (message.type === MessageType.State) postStatus();
    },
    onFrame(bytes, receivedAtMs) {
      const { handle } = decodeMessage(bytes);
      if (!picture?.receiveFrame(handle, bytes, receivedAtMs)) pool.give(bytes.buffer);
    },
  });
  const picture = options.picture === null
    ? null
    : new Picture(options.picture, abilities, connection, clock, pool);
  const health = picture === null
    ? null
    : new PictureHealth({ ...options.picture!, picture, clock });

  function postRuns(runs: RunSummary[]): void {
    workerScope.postMessage({ kind: "runs", runs });
  }

  function sendFollow(): void {
    if (followedRun === null) return;
    connection.send(encodeJson(MessageType.Follow, 0, { run: followedRun }));
  }

  function postStatus(): void {
    const nowMs = performance.now();
    const status: ViewerStatus = {
      connection: connection.status,
      stream: picture?.subscription.state ?? null,
      picture: picture?.shown ?? null,
      hud: picture?.subscription.hud ?? null,
      counters: picture?.counters ?? { received: 0, shown: 0, skipped: 0 },
      framesPerSecond: picture?.framesPerSecond ?? 0,
      latency: picture?.latency.summary(nowMs) ?? noLatency,
      roundTripMs: clock.roundTripMs,
      renderer: picture && { ...picture.choice, contextLost: picture.contextLost },
      decoding: picture?.decoding ?? null,
      health: health?.status(nowMs) ?? NO_HEALTH,
      displayPeriodMs: health?.displayPeriodMs ?? null,
      drawError: picture?.drawError ?? null,
    };
    workerScope.postMessage({ kind: "status", status });
  }

  async function save(id: number, withOverlay: boolean): Promise<void> {
    try {
      if (picture === null) throw new Error("this page shows no run");
      const { png, frame } = await picture.savePng(withOverlay);
      workerScope.postMessage({ kind: "saved", id, png, frame }, [png.buffer]);
    } catch (error) {
      workerScope.postMessage({ kind: "save-failed", id, reason: (error as Error).message });
    }
  }

  setInterval(() => {
    const nowMs = performance.now();
    picture?.tick(nowMs);
    health?.tick(nowMs);
    postStatus();
  }, STATUS_MS);
  connection.open();

  return (message) => {
    switch (message.kind) {
      case "settings":
        if (picture) picture.settings = message.settings;
        if (health) health.settings = message.settings;
        break;
      case "overlay":
        if (picture) picture.overlay = message.overlay;
        break;
      case "visible":
        if (picture) picture.visible = message.visible;
        if (message.visible) connection.open();
        break;
      case "connect":
        connection.open();
        break;
      case "follow":
        followedRun = message.run;
        connection.send(encodeJson(MessageType.Follow, 0, { run: followedRun }));
        break;
      case "route":
        connection.send(encodeJson(MessageType.Route, 0, message.route));
        break;
      case "command":
        picture?.subscription.command(message.id, message.command, message.code, message.value);
        break;
      case "input":
        picture?.input(message.events);
        break;
      case "save":
        save(message.id, message.withOverlay);
        break;
    }
  };
}

/** Messages that come while the abilities are probed wait for the viewer. */
let viewer: Promise<MessageHandler> | null = null;
workerScope.onmessage = ({ data }) => {
  if (data.kind === "open") {
    viewer ??= probeAbilities(globalThis).then((abilities) => startViewer(data, abilities));
    // The page hears of a worker's errors, and of no rejection.
    viewer.catch(reportError);
  } else viewer?.then((handle) => handle(data));
};
