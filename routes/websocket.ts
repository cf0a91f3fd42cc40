/** The WebSocket lane: one message each way per WebSocket message. */

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { getLogger } from "@logtape/logtape";
// @ts-types="@types/ws"
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { messageOf } from "../core/errors.ts";
import type { Session } from "../core/session.ts";
import type { MediaLane, Transport } from "../core/transport.ts";
import {
  type Bye,
  decodeMessage,
  encodeJson,
  MessageType,
  VIEWER_MESSAGE_BYTES_MAX,
  WireError,
} from "../proto/wire.ts";
import type { App } from "./app.ts";
import type { UpgradeHandler } from "./http_server.ts";

const LIVE_PATH = "/live";
const CLOSE_CODE = 1000;
const WIRE_ERROR_CODE = 1002;
/** A peer that answers no ping for two rounds is gone. */
const PING_INTERVAL_MS = 20_000;
/** A peer that does not complete the closing handshake is cut off. */
const CLOSE_TIMEOUT_MS = 1_000;

const logger = getLogger(["telebridge", "websocket"]);

class WebSocketTransport implements Transport {
  readonly kind = "websocket";
  readonly #socket: WebSocket;
  #bytesPending = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  get bytesPending(): number {
    return this.#bytesPending;
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    this.#bytesPending += message.byteLength;
    this.#socket.send(message, () => {
      this.#bytesPending -= message.byteLength;
    });
  }

  sendUnreliable(message: Uint8Array<ArrayBuffer>): void {
    this.send(message);
  }

  openMedia(): MediaLane {
    const socket = this.#socket;
    return {
      send(message, written) {
        socket.send(message, (error) => {
          if (error == null) written();
        });
      },
      close() {},
    };
  }

  close(bye: Bye): void {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN) return socket.terminate();
    socket.send(encodeJson(MessageType.Bye, 0, bye));
    socket.close(bye.retry ? CLOSE_CODE : WIRE_ERROR_CODE);
    setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
  }
}

/** Takes the upgrades of `/live`; everything else that wants to upgrade is refused. */
export function webSocketLane(app: App): { upgrade: UpgradeHandler; stop: () => void } {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    perMessageDeflate: false,
    maxPayload: VIEWER_MESSAGE_BYTES_MAX,
  });
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array) => {
    const { host, origin } = request.headers;
    const path = request.url?.split("?")[0];
    if (path !== LIVE_PATH) return refuse(socket, "404 Not Found");
    if (!app.hosts.allowsHost(host) || !app.hosts.allowsOrigin(origin, host)) {
      return refuse(socket, "403 Forbidden");
    }
    server.handleUpgrade(request, socket, head as Buffer, (webSocket) => accept(app, webSocket));
  };
  return { upgrade, stop: () => server.close() };
}

function refuse(socket: Duplex, status: string): void {
  // A peer that is gone by now is nothing to fail about.
  socket.on("error", () => {});
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function accept(app: App, socket: WebSocket): void {
  const transport = new WebSocketTransport(socket);
  const session = app.sessions.open(transport);
  if (session === null) return;
  const stopPings = keepAlive(socket);
  socket.binaryType = "arraybuffer";
  socket.on("message", (data, isBinary) => receive(session, data, isBinary));
  socket.on("error", (error) => logger.debug`a viewer's WebSocket: ${messageOf(error)}`);
  socket.on("close", () => {
    stopPings();
    session.onTransportClosed();
  });
}

function receive(session: Session, data: RawData, isBinary: boolean): void {
  try {
    if (!isBinary) throw new WireError("text messages are not part of the protocol");
    session.receive(decodeMessage(new Uint8Array(data as ArrayBuffer)));
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    session.fault(error.message);
  }
}

function keepAlive(socket: WebSocket): () => void {
  let answered = true;
  socket.on("pong", () => answered = true);
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, PING_INTERVAL_MS);
  return () => clearInterval(timer);
}
