/** The ingest process's end of the feed: handlers by kind of message. */

import type { FromIngest, ToIngest } from "../core/durable/feed.ts";
import { FeedChannel, type FeedPipes } from "../core/durable/feed_channel.ts";

type MessageOf<Type extends ToIngest["type"]> = Extract<ToIngest, { type: Type }>;

export class IngestFeed {
  readonly #channel: FeedChannel<FromIngest, ToIngest>;
  readonly #handlers = new Map<ToIngest["type"], ((message: never) => void)[]>();

  constructor(pipes: FeedPipes) {
    this.#channel = new FeedChannel(pipes);
  }

  /** Several handlers of one kind are called in the order in which they came. */
  on<Type extends ToIngest["type"]>(type: Type, handler: (message: MessageOf<Type>) => void): void {
    this.#handlers.set(type, [...this.#handlers.get(type) ?? [], handler]);
  }

  /** Reads until `serve` is gone. */
  async receive(): Promise<void> {
    await this.#channel.receive((message) => {
      for (const handler of this.#handlers.get(message.type) ?? []) handler(message as never);
    });
  }

  /** For what `serve` must hear. */
  send(message: FromIngest): void {
    this.#channel.send(message);
  }

  /** For what `serve` can find out otherwise. Returns false where it was dropped. */
  offer(message: FromIngest): boolean {
    return this.#channel.offer(message);
  }
}
