/** The lane for everywhere: one WebSocket, one message each way per WebSocket message. */

import { decodeMessage, MessageType, WireError } from "../proto/wire.ts";
import type { Transport, TransportSink } from "./transport.ts";

/** Opens the lane. Rejects when it cannot be had; `signal` gives up on it. */
export function openWebSocket(
  url: string,
  sink: TransportSink,
  signal: AbortSignal,
): Promise<Transport> {
  const { promise, resolve, reject } = Promise.withResolvers<Transport>();
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const transport: Transport = {
    kind: "websocket",
    send: (message) => socket.readyState === WebSocket.OPEN && socket.send(message),
    sendUnreliable: (message) => transport.send(message),
    close() {
      socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
  signal.addEventListener("abort", () => {
    transport.close();
    reject(new Error("WebSocket was given up"));
  }, { once: true });
  socket.onopen = () => resolve(transport);
  socket.onclose = (event) => {
    const reason = event.reason || `WebSocket closed (code ${event.code})`;
    reject(new Error(reason));
    sink.onClose(reason);
  };
  socket.onmessage = (event) => {
    const receivedAtMs = performance.now();
    const bytes = new Uint8Array(event.data as ArrayBuffer);
    try {
      const message = decodeMessage(bytes);
      if (message.type === MessageType.Frame) sink.onFrame(bytes, receivedAtMs);
      else sink.onMessage(message);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      transport.close();
      sink.onClose(error.message);
    }
  };
  return promise;
}
