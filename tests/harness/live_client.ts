/** A viewer without a browser, over a real WebSocket or a real WebTransport session. */

import {
  type Bye,
  type Command,
  decodeFrameHeader,
  decodeJson,
  decodeMessage,
  decodeProbeReply,
  encodeAck,
  encodeJson,
  encodeProbe,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  type Message,
  MessageSplitter,
  MessageType,
  type Reply,
  type RunSummary,
  SERVER_MESSAGE_BYTES_MAX,
  type StreamState,
  type Subscribe,
  type ViewerReport,
  type Welcome,
  WIRE_VERSION,
} from "../../proto/wire.ts";
import { waitFor } from "./wait.ts";

export type LaneKind = "websocket" | "webtransport";

export interface LiveFrame {
  header: FrameHeader;
  payload: Uint8Array;
}

/** What a client needs to know of a server; a Serve is one. */
export interface Target {
  origin: string;
  ready: { token: string };
  /** Trusts the server's certificate. */
  trusting?: Deno.HttpClient;
}

/** Closes the client at its end; a TestBox is one. */
interface Owner {
  onEnd(stop: () => Promise<void>): void;
}

interface Lane {
  send(message: Uint8Array<ArrayBuffer>): void;
  sendUnreliable(message: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/** What `/api/session` says. */
interface Offer {
  ticket: string;
  webtransport: { url: string; certificateHashes: string[] };
  webSocketPath: string;
}

export class LiveClient {
  readonly frames: LiveFrame[] = [];
  readonly messages: Message[] = [];
  /** Acks each frame as it comes, as a viewer does that draws at once. */
  acks = true;
  closed = false;
  #lane: Lane | null = null;
  #commandsCount = 0;
  #onProbeReply: (tServerNs: bigint) => void = () => {};

  /** Opens a lane and says Hello with a ticket. */
  static async open(
    box: Owner,
    serve: Target,
    kind: LaneKind = "websocket",
    token = serve.ready.token,
  ): Promise<LiveClient> {
    const client = await LiveClient.openSilent(box, serve, kind, token);
    client.hello({ ticket: client.ticket });
    await waitFor("Welcome", () => client.last<Welcome>(MessageType.Welcome), () => client.bye);
    return client;
  }

  /** Opens a lane and says nothing. */
  static async openSilent(
    box: Owner,
    serve: Target,
    kind: LaneKind,
    token = serve.ready.token,
  ): Promise<LiveClient> {
    const headers = { authorization: `Bearer ${token}` };
    const request = { headers, client: serve.trusting };
    const answer = await fetch(`${serve.origin}/api/session`, request);
    const offer: Offer = await answer.json();
    const client = new LiveClient(offer.ticket);
    client.#lane = kind === "websocket"
      ? await openWebSocket(serve.origin + offer.webSocketPath, client)
      : await openWebTransport(offer.webtransport, client);
    box.onEnd(() => Promise.resolve(client.close()));
    return client;
  }

  private constructor(readonly ticket: string) {}

  hello(secret: { ticket?: string; token?: string }): void {
    this.send(encodeJson(MessageType.Hello, 0, { version: WIRE_VERSION, ...secret }));
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    this.#lane!.send(message);
  }

  subscribe(handle: number, run: string, settings: Partial<Subscribe> = {}): void {
    const body = { run, fpsMax: 0, everyNth: 1, stayLive: true, ...settings };
    this.send(encodeJson(MessageType.Subscribe, handle, body));
  }

  /** The server's clock when it had read all that was sent so far, and the frames that had come by its answer. */
  async probe(): Promise<{ tServerNs: bigint; framesCount: number }> {
    const { promise, resolve } = Promise.withResolvers<
      { tServerNs: bigint; framesCount: number }
    >();
    this.#onProbeReply = (tServerNs) => resolve({ tServerNs, framesCount: this.frames.length });
    this.send(encodeProbe(performance.now()));
    return await promise;
  }

  /** Says what it saw of itself; what is not given is nothing. */
  report(handle: number, seen: Partial<ViewerReport>): void {
    const nothing: ViewerReport = {
      framesShown: 0,
      framesDropped: 0,
      frameTimeP50Ms: null,
      frameTimeP99Ms: null,
      latencyP50Ms: null,
      latencyP99Ms: null,
      decodeP50Ms: null,
      janks: 0,
      stalls: 0,
      decoderRestarts: 0,
    };
    this.send(encodeJson(MessageType.Report, handle, { ...nothing, ...seen }));
  }

  ack(handle: number, frame: number): void {
    this.#lane!.sendUnreliable(encodeAck(handle, { frame, framesShown: this.frames.length }));
  }

  async command(handle: number, command: Omit<Command, "id">): Promise<Reply> {
    const id = ++this.#commandsCount;
    this.send(encodeJson(MessageType.Command, handle, { id, ...command }));
    const replies = () => this.#bodies<Reply>(MessageType.Reply);
    return await waitFor("a reply", () => replies().find((reply) => reply.id === id));
  }

  /** Called by the lane for each message, whatever stream it came on. */
  onMessage(message: Message): void {
    if (message.type !== MessageType.Frame) {
      this.messages.push(message);
      if (message.type === MessageType.ProbeReply) {
        this.#onProbeReply(decodeProbeReply(message.body).tServerNs);
      }
      return;
    }
    const header = decodeFrameHeader(message.body);
    this.frames.push({ header, payload: message.body.subarray(FRAME_HEADER_BYTES) });
    if (this.acks) this.ack(message.handle, header.frame);
  }

  get bye(): Bye | undefined {
    return this.last<Bye>(MessageType.Bye);
  }

  get runs(): RunSummary[] {
    return this.last<{ runs: RunSummary[] }>(MessageType.Runs)?.runs ??
      this.last<Welcome>(MessageType.Welcome)!.runs;
  }

  last<Body>(type: MessageType): Body | undefined {
    return this.#bodies<Body>(type).at(-1);
  }

  #bodies<Body>(type: MessageType): Body[] {
    return this.messages.filter((message) => message.type === type)
      .map((message) => decodeJson(message.body) as Body);
  }

  /** Waits for the state of a subscription. */
  state(phase: StreamState["phase"]): Promise<StreamState> {
    return this.stateWhere(`state ${phase}`, (state) => state.phase === phase);
  }

  /** Waits until the newest state satisfies `test`. */
  stateWhere(what: string, test: (state: StreamState) => boolean): Promise<StreamState> {
    const last = () => this.last<StreamState>(MessageType.State);
    return waitFor(what, () => last() !== undefined && test(last()!) && last()!, last);
  }

  framesCount(count: number): Promise<unknown> {
    const seen = () => this.frames.length;
    return waitFor(`${count} frames`, () => seen() >= count, seen);
  }

  /** Waits until the server has ended the session. */
  ended(): Promise<unknown> {
    return waitFor("the session's end", () => this.closed, () => this.bye);
  }

  close(): void {
    this.#lane?.close();
  }
}

async function openWebSocket(url: string, client: LiveClient): Promise<Lane> {
  const socket = new WebSocket(url.replace("http", "ws"));
  socket.binaryType = "arraybuffer";
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.onopen = () => resolve();
  socket.onerror = () => reject(new Error("the WebSocket does not open"));
  socket.onclose = () => client.closed = true;
  socket.onmessage = ({ data }) => client.onMessage(decodeMessage(new Uint8Array(data)));
  await promise;
  const send = (message: Uint8Array<ArrayBuffer>) => socket.send(message);
  return { send, sendUnreliable: send, close: () => socket.close() };
}

async function openWebTransport(
  offer: Offer["webtransport"],
  client: LiveClient,
): Promise<Lane> {
  const session = new WebTransport(offer.url, {
    serverCertificateHashes: offer.certificateHashes.map((hash) => ({
      algorithm: "sha-256",
      value: Uint8Array.fromBase64(hash),
    })),
  });
  const onClosed = () => {
    client.closed = true;
  };
  session.closed.then(onClosed, onClosed);
  await session.ready;
  const control = await session.createBidirectionalStream();
  const controlWriter = control.writable.getWriter();
  const datagramWriter = session.datagrams.writable.getWriter();
  const readMessages = async (stream: ReadableStream<Uint8Array>) => {
    const splitter = new MessageSplitter(SERVER_MESSAGE_BYTES_MAX);
    for await (const chunk of stream) {
      for (const message of splitter.push(chunk)) client.onMessage(message);
    }
  };
  const readMedia = async () => {
    for await (const stream of session.incomingUnidirectionalStreams) {
      readMessages(stream).catch(onClosed);
    }
  };
  const readDatagrams = async () => {
    for await (const datagram of session.datagrams.readable) {
      client.onMessage(decodeMessage(datagram));
    }
  };
  readMessages(control.readable).catch(onClosed);
  readMedia().catch(onClosed);
  readDatagrams().catch(onClosed);
  return {
    send: (message) => void controlWriter.write(message).catch(onClosed),
    sendUnreliable: (message) => void datagramWriter.write(message).catch(onClosed),
    close() {
      if (!client.closed) session.close();
    },
  };
}
