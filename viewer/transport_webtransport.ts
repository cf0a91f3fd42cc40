/**
 * The fast lane: one WebTransport session with a control stream opened here, a media stream per subscription opened by
 * the server, and datagrams for probes and acks.
 */

import { decodeMessage, MessageSplitter, SERVER_MESSAGE_BYTES_MAX } from "../proto/wire.ts";
import type { FramePool } from "./frame_pool.ts";
import { readMedia } from "./media_reader.ts";
import type { Transport, TransportSink } from "./transport.ts";

export interface WebTransportTarget {
  url: string;
  /** SHA-256 of each certificate that the server may show; empty when a public authority signed it. */
  certificateHashes: Uint8Array<ArrayBuffer>[];
}

/** Opens the lane. Rejects when it cannot be had; `signal` gives up on it. */
export async function openWebTransport(
  target: WebTransportTarget,
  pool: FramePool,
  sink: TransportSink,
  signal: AbortSignal,
): Promise<Transport> {
  if (typeof WebTransport === "undefined") throw new Error("this browser has no WebTransport");
  const session = new WebTransport(target.url, {
    serverCertificateHashes: target.certificateHashes.map((value) => ({
      algorithm: "sha-256",
      value,
    })),
    congestionControl: "low-latency",
  });
  let closed = false;
  const fail = (error: unknown) => {
    if (closed) return;
    closed = true;
    session.close();
    sink.onClose(`WebTransport: ${error instanceof Error ? error.message : String(error)}`);
  };
  const close = () => {
    closed = true;
    session.close();
  };
  signal.addEventListener("abort", close, { once: true });
  session.closed.then(() => fail("the server closed the session"), fail);

  await session.ready;
  const control = await session.createBidirectionalStream();
  const controlWriter = control.writable.getWriter();
  const datagramWriter = session.datagrams.writable.getWriter();
  readControl(control.readable, sink).then(() => fail("the control stream ended"), fail);
  readDatagrams(session.datagrams.readable, sink).catch(fail);
  readMediaStreams(session.incomingUnidirectionalStreams, pool, sink).catch(fail);
  return {
    kind: "webtransport",
    send: (message) => void controlWriter.write(message).catch(fail),
    // Nobody waits for a datagram: one that cannot leave now is lost.
    sendUnreliable: (message) => void datagramWriter.write(message).catch(() => {}),
    close,
  };
}

async function readControl(stream: ReadableStream<Uint8Array>, sink: TransportSink): Promise<void> {
  const splitter = new MessageSplitter(SERVER_MESSAGE_BYTES_MAX);
  for await (const chunk of stream) {
    for (const message of splitter.push(chunk)) sink.onMessage(message);
  }
}

async function readDatagrams(
  datagrams: ReadableStream<Uint8Array<ArrayBuffer>>,
  sink: TransportSink,
): Promise<void> {
  for await (const datagram of datagrams) sink.onMessage(decodeMessage(datagram));
}

async function readMediaStreams(
  streams: ReadableStream<ReadableStream<Uint8Array>>,
  pool: FramePool,
  sink: TransportSink,
): Promise<void> {
  for await (const stream of streams) {
    // The end of one run's stream is not the end of the session: the state of that run comes by the control stream.
    readMedia(stream, pool, sink).catch((error) => {
      if (error?.name === "WireError") sink.onClose(error.message);
    });
  }
}
