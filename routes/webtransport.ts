/**
 * The WebTransport lane: a control stream that the viewer opens, a media stream per subscription that the server opens,
 * datagrams for probes and acks.
 */

import { getLogger } from "@logtape/logtape";
import { messageOf } from "../core/errors.ts";
import type { Session } from "../core/session.ts";
import type { Sessions } from "../core/sessions.ts";
import type { MediaLane, Transport } from "../core/transport.ts";
import {
  type Bye,
  decodeMessage,
  encodeBinary,
  encodeJson,
  MessageSplitter,
  MessageType,
  VIEWER_MESSAGE_BYTES_MAX,
  WireError,
} from "../proto/wire.ts";

/** Time for Bye to leave before the session is closed under it. */
const BYE_LINGER_MS = 100;
/** Datagrams that the network does not take yet; more are dropped, as a network may do anyway. */
const DATAGRAMS_PENDING_MAX = 16;
const NOTHING = new Uint8Array(0);

const logger = getLogger(["telebridge", "webtransport"]);

type Writer = WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

class WebTransportTransport implements Transport {
  readonly kind = "webtransport";
  readonly #session: WebTransport;
  readonly #control: Writer;
  readonly #datagrams: Writer;
  readonly #media: MediaStreams;
  #bytesPending = 0;
  #datagramsPending = 0;

  constructor(session: WebTransport, control: WebTransportBidirectionalStream) {
    this.#session = session;
    this.#control = control.writable.getWriter();
    this.#datagrams = session.datagrams.writable.getWriter();
    this.#media = new MediaStreams(session);
  }

  get bytesPending(): number {
    return this.#bytesPending;
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    this.#bytesPending += message.byteLength;
    this.#control.write(message).then(() => {
      this.#bytesPending -= message.byteLength;
    }, ignoreClosed);
  }

  sendUnreliable(message: Uint8Array<ArrayBuffer>): void {
    if (this.#datagramsPending >= DATAGRAMS_PENDING_MAX) return;
    this.#datagramsPending++;
    const done = () => {
      this.#datagramsPending--;
    };
    this.#datagrams.write(message).then(done, done);
  }

  openMedia(handle: number): MediaLane {
    return this.#media.open(handle);
  }

  close(bye: Bye): void {
    this.send(encodeJson(MessageType.Bye, 0, bye));
    setTimeout(() => closeQuietly(this.#session, bye.reason), BYE_LINGER_MS);
  }
}

/** A stream for frames; it opens while the first message is on its way to it. */
class MediaStream {
  readonly #opening: Promise<void>;
  #writer: Writer | null = null;

  constructor(session: WebTransport) {
    this.#opening = this.#open(session);
    this.#opening.catch(ignoreClosed);
  }

  async #open(session: WebTransport): Promise<void> {
    const stream: WritableStream<Uint8Array<ArrayBuffer>> = await session
      .createUnidirectionalStream();
    this.#writer = stream.getWriter();
  }

  send(message: Uint8Array<ArrayBuffer>, written: () => void): void {
    if (this.#writer === null) {
      this.#opening.then(() => this.send(message, written), ignoreClosed);
    } else {
      this.#writer.write(message).then(written, ignoreClosed);
    }
  }
}

/**
 * The media streams of a session. One whose subscription has ended carries the next: the runtime does not end streams
 * (denoland/deno#36822), so a page that is hidden and shown all day would use up those that a session may have.
 */
class MediaStreams {
  readonly #session: WebTransport;
  readonly #idle: MediaStream[] = [];

  constructor(session: WebTransport) {
    this.#session = session;
  }

  open(handle: number): MediaLane {
    const stream = this.#idle.pop() ?? new MediaStream(this.#session);
    stream.send(encodeBinary(MessageType.MediaOpen, handle, NOTHING), () => {});
    return {
      send: (message, written) => stream.send(message, written),
      close: () => void this.#idle.push(stream),
    };
  }
}

/** A lane that ended under a write: the session hears of it by itself. */
function ignoreClosed(): void {}

function closeQuietly(session: WebTransport, reason: string): void {
  try {
    session.close({ closeCode: 0, reason });
  } catch {
    // It is closed already.
  }
}

/** Serves one WebTransport session until it ends. */
export async function serveWebTransport(
  session: WebTransport,
  sessions: Sessions,
  helloTimeoutMs: number,
): Promise<void> {
  const control = await firstControlStream(session, helloTimeoutMs);
  if (control === null) return closeQuietly(session, "no control stream came");
  const transport = new WebTransportTransport(session, control);
  const viewer = sessions.open(transport);
  if (viewer === null) return;
  readDatagrams(session, viewer).catch(ignoreClosed);
  try {
    await readControl(control, viewer);
  } catch (error) {
    if (error instanceof WireError) viewer.fault(error.message);
    else logger.debug`a viewer's session: ${messageOf(error)}`;
  } finally {
    viewer.onTransportClosed();
    setTimeout(() => closeQuietly(session, "the session is over"), BYE_LINGER_MS);
  }
}

async function firstControlStream(
  session: WebTransport,
  timeoutMs: number,
): Promise<WebTransportBidirectionalStream | null> {
  const streams = session.incomingBidirectionalStreams.getReader();
  const timer = setTimeout(() => closeQuietly(session, "no control stream came"), timeoutMs);
  try {
    const { value } = await streams.read();
    return value ?? null;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
    streams.releaseLock();
  }
}

async function readControl(
  control: WebTransportBidirectionalStream,
  viewer: Session,
): Promise<void> {
  const splitter = new MessageSplitter(VIEWER_MESSAGE_BYTES_MAX);
  for await (const chunk of control.readable) {
    for (const message of splitter.push(chunk)) viewer.receive(message);
  }
}

async function readDatagrams(session: WebTransport, viewer: Session): Promise<void> {
  for await (const datagram of session.datagrams.readable) {
    try {
      viewer.receiveDatagram(decodeMessage(datagram));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      viewer.fault(error.message);
    }
  }
}
