/**
 * A way to a server that carries TCP only, as an SSH tunnel or a strict firewall does: another loopback address with
 * the server's own port number. UDP packets to it disappear.
 */

import type { TestBox } from "./box.ts";

const TUNNEL_HOST = "127.0.0.2";

/** Opens the tunnel until the box's end and returns its host name. */
export function openTcpTunnel(box: TestBox, port: number): string {
  const listener = Deno.listen({ hostname: TUNNEL_HOST, port });
  // Bound and never read: without it the kernel would refuse at once, which is kinder than a firewall.
  const blackHole = Deno.listenDatagram({ transport: "udp", hostname: TUNNEL_HOST, port });
  const open = new Set<Deno.TcpConn>();
  const accepting = (async () => {
    for await (const near of listener) {
      open.add(near);
      const far = await Deno.connect({ hostname: "127.0.0.1", port });
      open.add(far);
      near.readable.pipeTo(far.writable).catch(ignoreEnd);
      far.readable.pipeTo(near.writable).catch(ignoreEnd);
    }
  })();
  box.onEnd(async () => {
    listener.close();
    blackHole.close();
    await accepting;
    for (const connection of open) closeQuietly(connection);
  });
  return TUNNEL_HOST;
}

/** One end of the tunnel was closed: the other follows. */
function ignoreEnd(): void {}

function closeQuietly(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // Its streams have closed it.
  }
}
