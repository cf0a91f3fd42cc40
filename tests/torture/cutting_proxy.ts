/** A TCP proxy that cuts connections in the middle of what is being said. */

import { randomOf } from "../harness/random.ts";

const CHUNK_BYTES = 16 * 1024;

export class CuttingProxy implements AsyncDisposable {
  readonly port: number;
  /** Connections cut so far. */
  cuts = 0;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #accepting: Promise<void>;

  /**
   * Passes to a port of this machine. Each connection is cut after a random number of bytes from the client, at most
   * `bytesMax`, so that no cut falls on a message's end but by chance.
   */
  constructor(options: { port: number; bytesMax: number; seed: number }) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept(options.port, options.bytesMax, randomOf(options.seed));
  }

  async #accept(port: number, bytesMax: number, random: () => number): Promise<void> {
    for await (const near of this.#listener) {
      this.#pass(near, port, Math.ceil(random() * bytesMax)).catch(() => {});
    }
  }

  async #pass(near: Deno.TcpConn, port: number, bytesUntilCut: number): Promise<void> {
    this.#open.add(near);
    let far: Deno.TcpConn | null = null;
    try {
      far = await Deno.connect({ hostname: "127.0.0.1", port });
      this.#open.add(far);
      const back = pump(far, near, Infinity).catch(() => {});
      const rest = await pump(near, far, bytesUntilCut);
      if (rest === 0) this.cuts++;
      this.#close(near);
      this.#close(far);
      await back;
    } finally {
      this.#close(near);
      if (far !== null) this.#close(far);
    }
  }

  #close(connection: Deno.TcpConn): void {
    if (this.#open.delete(connection)) connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) this.#close(connection);
    await this.#accepting;
  }
}

/** Returns how many of `bytesMax` were left when the sender ended. */
async function pump(from: Deno.TcpConn, to: Deno.TcpConn, bytesMax: number): Promise<number> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  let left = bytesMax;
  while (left > 0) {
    const count = await from.read(buffer.subarray(0, Math.min(buffer.length, left)));
    if (count === null) return left;
    left -= count;
    for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
  }
  return 0;
}
