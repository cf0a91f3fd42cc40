/** A lane without a network: what the server sends is kept, in order. */

import type { MediaLane, Transport } from "../../core/transport.ts";
import {
  type Bye,
  decodeFrameHeader,
  decodeJson,
  decodeMessage,
  type FrameHeader,
  type Message,
  type MessageType,
  MessageType as Type,
} from "../../proto/wire.ts";
import { waitFor } from "./wait.ts";

export class MemoryLane implements Transport {
  readonly kind = "websocket";
  readonly messages: Message[] = [];
  readonly datagrams: Message[] = [];
  readonly frames: FrameHeader[] = [];
  /** The last frame's payload. */
  pixels: Uint8Array = new Uint8Array();
  mediaOpenCount = 0;
  bytesPending = 0;
  bye: Bye | null = null;
  /** false: frames stay unwritten until {@link writeAll}, as on a connection that is stuck. */
  writes = true;
  #unwritten: (() => void)[] = [];

  send(message: Uint8Array<ArrayBuffer>): void {
    this.messages.push(decodeMessage(message.slice()));
  }

  sendUnreliable(message: Uint8Array<ArrayBuffer>): void {
    this.datagrams.push(decodeMessage(message.slice()));
  }

  openMedia(): MediaLane {
    this.mediaOpenCount++;
    return {
      send: (message, written) => {
        const { body } = decodeMessage(message.slice());
        this.frames.push(decodeFrameHeader(body));
        this.pixels = body.subarray(128);
        if (this.writes) queueMicrotask(written);
        else this.#unwritten.push(written);
      },
      close: () => void this.mediaOpenCount--,
    };
  }

  /** The connection moves again. */
  writeAll(): void {
    this.writes = true;
    for (const written of this.#unwritten.splice(0)) written();
  }

  close(bye: Bye): void {
    this.bye = bye;
  }

  /** Bodies of the JSON messages of a type, oldest first. */
  bodies<Body>(type: MessageType): Body[] {
    return this.messages.filter((message) => message.type === type)
      .map((message) => decodeJson(message.body) as Body);
  }

  last<Body>(type: MessageType): Body | undefined {
    return this.bodies<Body>(type).at(-1);
  }

  /** Waits until a frame with a number from `frame` on has come. */
  async frame(frame: number): Promise<FrameHeader> {
    const found = () => this.frames.find((header) => header.frame >= frame);
    return await waitFor(`frame ${frame}`, found, () => this.frames.length);
  }

  state(phase: string): Promise<unknown> {
    const last = () => this.last<{ phase: string }>(Type.State);
    return waitFor(`state ${phase}`, () => last()?.phase === phase && last(), last);
  }
}
