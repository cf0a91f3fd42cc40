import assert from "node:assert/strict";
import {
  encodeJson,
  MessageSplitter,
  MessageType,
  SERVER_MESSAGE_BYTES_MAX,
  WIRE_VERSION,
} from "../../proto/wire.ts";
import { QuicListener } from "../../routes/quic_listener.ts";
import { TestBox } from "../harness/box.ts";
import { getRequest } from "../harness/raw_http.ts";
import { Serve } from "../harness/serve.ts";
import { waitFor } from "../harness/wait.ts";

Deno.test("tls: a self-signed server on all addresses, by HTTPS, WSS and WebTransport", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, {
    args: ["--host=0.0.0.0", "--tls=self-signed", "--allow-host=gpu-box.lan"],
  });
  const { port, token, url } = serve.ready;
  assert(url.startsWith(`https://gpu-box.lan:${port}/?token=`), url);
  const caCerts = [await Deno.readTextFile(`${box.dataDir}/tls-cert.pem`)];
  using client = Deno.createHttpClient({ caCerts });
  const origin = `https://localhost:${port}`;
  const trusting: RequestInit & { client: Deno.HttpClient } = {
    client,
    headers: { authorization: `Bearer ${token}` },
    redirect: "manual",
  };
  const first = await fetch(`${origin}/?token=${token}`, trusting);
  await first.body?.cancel();
  assert.match(first.headers.get("set-cookie")!, /; Secure$/);
  const session = await (await fetch(`${origin}/api/session`, trusting)).json();

  using socket = await Deno.connectTls({ hostname: "localhost", port, caCerts });
  const host = `localhost:${port}`;
  await socket.write(
    new TextEncoder().encode(getRequest("/live", {
      host,
      origin,
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    })),
  );
  const answer = new Uint8Array(1024);
  await socket.read(answer);
  assert.match(new TextDecoder().decode(answer), /^HTTP\/1\.1 101 /);

  const transport = await connect(session.webtransport.url, session.webtransport);
  const control = await transport.createBidirectionalStream();
  const hello = { version: WIRE_VERSION, ticket: session.ticket };
  await control.writable.getWriter().write(encodeJson(MessageType.Hello, 0, hello));
  const { value } = await control.readable.getReader().read();
  // What follows it may come in the same chunk.
  const [welcome] = new MessageSplitter(SERVER_MESSAGE_BYTES_MAX).push(value!);
  assert.equal(welcome!.type, MessageType.Welcome);
  transport.close();
});

interface Offer {
  certificateHashes: string[];
}

async function connect(url: string, offer: Offer): Promise<WebTransport> {
  const session = new WebTransport(url, {
    serverCertificateHashes: offer.certificateHashes.map((hash) => ({
      algorithm: "sha-256",
      value: Uint8Array.fromBase64(hash),
    })),
  });
  session.closed.catch(() => {});
  await session.ready;
  return session;
}

Deno.test("tls: WebTransport's certificate is renewed while sessions go on", async () => {
  let sessionsCount = 0;
  const listener = await QuicListener.start({
    host: "127.0.0.1",
    port: 0,
    names: ["localhost", "127.0.0.1"],
    certificateLifeMs: 4_000,
    onSession: async (session) => {
      sessionsCount++;
      for await (const { readable, writable } of session.incomingBidirectionalStreams) {
        readable.pipeTo(writable).catch(() => {});
      }
    },
    onError: () => assert.fail("the listener failed"),
  });
  const offer = () => ({
    certificateHashes: listener.offer.certificateHashes.map((h) => h.toBase64()),
  });
  const url = `https://127.0.0.1:${listener.offer.port}/live`;
  const echo = async (session: WebTransport) => {
    const { readable, writable } = await session.createBidirectionalStream();
    await writable.getWriter().write(Uint8Array.of(42));
    const { value } = await readable.getReader().read();
    assert.deepEqual([...value!], [42]);
  };
  try {
    const first = offer();
    const early = await connect(url, first);
    await echo(early);
    const isNew = () => offer().certificateHashes[0] !== first.certificateHashes[0];
    for (let renewal = 1; renewal <= 2; renewal++) {
      await waitFor("a new certificate", isNew);
      assert.equal(offer().certificateHashes.length, 2, "a page that asked before it is let in");
      await echo(early);
      const late = await connect(url, offer());
      await echo(late);
      late.close();
      first.certificateHashes[0] = offer().certificateHashes[0]!;
    }
    await assert.rejects(connect(url, { certificateHashes: [btoa("x".repeat(32))] }));
    early.close();
    await waitFor("all sessions", () => sessionsCount === 3);
  } finally {
    listener.stop();
  }
});

Deno.test("tls: peers that open no session are dropped, and keep nobody out", async () => {
  const listener = await QuicListener.start({
    host: "127.0.0.1",
    port: 0,
    names: ["localhost", "127.0.0.1"],
    certificateLifeMs: 60_000,
    onSession: async (session) => void await session.closed,
    onError: () => assert.fail("the listener failed"),
  });
  const { port, certificateHashes } = listener.offer;
  const offer = { certificateHashes: certificateHashes.map((hash) => hash.toBase64()) };
  const connectSilently = () =>
    Deno.connectQuic({
      hostname: "127.0.0.1",
      port,
      alpnProtocols: ["h3"],
      serverCertificateHashes: certificateHashes.map((value) => ({ algorithm: "sha-256", value })),
    } as Deno.ConnectQuicOptions<false>);
  try {
    const attempts = Array.from({ length: 65 }, connectSilently);
    const attempted = await Promise.allSettled(attempts);
    const open = attempted.filter((attempt) => attempt.status === "fulfilled");
    assert.equal(open.length, 64, "one more is refused");
    await Promise.all(open.map(({ value }) => value.closed.catch(() => {})));
    const session = await connect(`https://127.0.0.1:${port}/live`, offer);
    session.close();
  } finally {
    listener.stop();
  }
});
