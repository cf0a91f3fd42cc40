/** The feed between serve and its ingest process: what is sent arrives, however the pipe cuts it. */

import assert from "node:assert/strict";
import { FeedChannel } from "../../core/durable/feed_channel.ts";

interface Sent {
  text: string;
  value: Float64Array;
  step: BigUint64Array | null;
  series: Uint32Array;
}

function messageOf(count: number): Sent {
  return {
    text: "x".repeat(count % 5),
    value: Float64Array.from({ length: count }, (_, index) => index + 0.5),
    step: count % 2 === 0 ? null : BigUint64Array.from({ length: count }, (_, i) => BigInt(i)),
    series: new Uint32Array(count).fill(7),
  };
}

/** Passes bytes on in pieces of `bytesMax`, whatever the pieces that came. */
function recut(bytesMax: number): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform(bytes, controller) {
      for (let at = 0; at < bytes.length; at += bytesMax) {
        controller.enqueue(bytes.slice(at, at + bytesMax));
      }
    },
  });
}

for (const bytesMax of [1, 7, 64, 100_000]) {
  Deno.test(`feed: columns arrive whole through a pipe that cuts at ${bytesMax} bytes`, async () => {
    const there = recut(bytesMax);
    const back = new TransformStream<Uint8Array, Uint8Array>();
    const sender = new FeedChannel<Sent, never>({
      readable: back.readable,
      writable: there.writable,
    });
    const receiver = new FeedChannel<never, Sent>({
      readable: there.readable,
      writable: back.writable,
    });
    const received: Sent[] = [];
    const receiving = receiver.receive((message) => received.push(message));
    const sent = Array.from({ length: 12 }, (_, index) => messageOf(index + 1));
    for (const message of sent) sender.send(message);
    while (received.length < sent.length) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.deepEqual(received, sent);
    receiver.close();
    sender.close();
    await receiving;
  });
}
