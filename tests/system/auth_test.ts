import assert from "node:assert/strict";
import { encodeJson, MessageType, type Welcome } from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { type LaneKind, LiveClient } from "../harness/live_client.ts";
import { getRequest, rawHttp } from "../harness/raw_http.ts";
import { Serve } from "../harness/serve.ts";
import { waitFor } from "../harness/wait.ts";

const LANES: LaneKind[] = ["websocket", "webtransport"];
const PROTECTED = ["/api/session", "/api/runs", "/metrics", "/runs/x/frame.jpg"];

/** Status of a WebSocket's upgrade with these headers. */
async function upgradeStatus(serve: Serve, headers: Record<string, string>): Promise<number> {
  const request = getRequest("/live", {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  });
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: serve.ready.port });
  await connection.write(new TextEncoder().encode(request));
  const head = new Uint8Array(64);
  await connection.read(head);
  return Number(new TextDecoder().decode(head).split(" ")[1]);
}

Deno.test("auth: without a token there is the sign-in page, 401, and nothing else", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  for (const path of ["/", "/runs/mountain-car", "/?token=wrong"]) {
    const response = await fetch(serve.origin + path);
    const page = await response.text();
    assert.equal(response.status, 401, path);
    assert.match(page, /needs its token/);
    assert(!page.includes("data-island"));
    assert.equal(page.includes("not this server's"), path.includes("wrong"));
  }
  for (const path of PROTECTED) {
    const response = await fetch(serve.origin + path, {
      headers: { authorization: "Bearer " + "x".repeat(43), cookie: "telebridge_0=x" },
    });
    assert.equal(response.status, 401, path);
    assert.match((await response.json()).error, /token is needed/);
  }
  const health = await fetch(`${serve.origin}/healthz`);
  assert.equal((await health.json()).state, "ok");
});

Deno.test("auth: the printed URL sets the cookie and leads to the page without the token", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const first = await fetch(serve.ready.url, { redirect: "manual" });
  await first.body?.cancel();
  assert.equal(first.status, 303);
  assert.equal(first.headers.get("location"), "/");
  const cookie = first.headers.get("set-cookie")!;
  assert.match(cookie, /^telebridge_[0-9a-f]{8}=/);
  for (const part of ["HttpOnly", "SameSite=Strict", "Path=/"]) assert(cookie.includes(part), part);
  const page = await fetch(serve.origin, { headers: { cookie: cookie.split(";")[0]! } });
  assert.equal(page.status, 200);
  assert.match(await page.text(), /data-island="runs"/);
});

Deno.test("auth: the way back from the sign-in never leads elsewhere", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const { port, token } = serve.ready;
  const host = `127.0.0.1:${port}`;
  for (
    const path of ["/.//evil.example/", "//evil.example//evil.example/", "http://evil.example/"]
  ) {
    const { status, text } = await rawHttp(port, getRequest(`${path}?token=${token}`, { host }));
    assert(status === 404 || /^location: \/\r$/im.test(text), `${path}: ${text}`);
  }
});

Deno.test("auth: a link from another site goes on by itself, since a redirect would lose the cookie", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const headers = { "sec-fetch-site": "cross-site" };
  const response = await fetch(serve.address("/runs/a"), { headers, redirect: "manual" });
  assert.equal(response.status, 200);
  assert.match(await response.text(), /http-equiv="refresh" content="0; url=\/runs\/a"/);
});

Deno.test("auth: a Host that is not ours is refused before anything is looked at", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--allow-host", "gpu-box.lan"] });
  const { port, token } = serve.ready;
  const authorization = `Bearer ${token}`;
  for (const host of ["evil.example", "evil.example:80", "localhost.evil.example", ""]) {
    const { status } = await rawHttp(port, getRequest("/api/runs", { host, authorization }));
    assert.equal(status, 403, host);
  }
  for (const host of ["localhost:1", "127.0.0.1", "gpu-box.lan:99"]) {
    const { status } = await rawHttp(port, getRequest("/api/runs", { host, authorization }));
    assert.equal(status, 200, host);
  }
});

Deno.test("auth: a page of another origin is refused, by HTTP and by WebSocket", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const { port, token } = serve.ready;
  const host = `127.0.0.1:${port}`;
  const authorization = `Bearer ${token}`;
  for (const origin of ["http://evil.example", "null", `https://${host}`, "http://127.0.0.1:1"]) {
    const request = getRequest("/api/session", { host, authorization, origin });
    assert.equal((await rawHttp(port, request)).status, 403, origin);
    assert.equal(await upgradeStatus(serve, { host, origin }), 403, origin);
  }
  assert.equal(await upgradeStatus(serve, { host: "evil.example" }), 403);
  assert.equal(await upgradeStatus(serve, { host, origin: `http://${host}` }), 101);
});

Deno.test("auth: every answer forbids framing, sniffing, referrers and foreign scripts", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  for (const path of ["/", "/healthz", "/nothing"]) {
    const response = await serve.fetch(path);
    await response.body?.cancel();
    const policy = response.headers.get("content-security-policy")!;
    for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]) {
      assert(policy.includes(rule), `${path}: ${rule}`);
    }
    assert(!policy.includes("unsafe-inline") && !policy.includes("unsafe-eval"));
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
    assert.equal(response.headers.get("referrer-policy"), "no-referrer");
  }
});

Deno.test("auth: only GET and HEAD are answered", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const response = await fetch(serve.origin, { method: "POST", body: "x" });
  await response.body?.cancel();
  assert.equal(response.status, 405);
  const head = await fetch(`${serve.origin}/healthz`, { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), "");
});

Deno.test("auth: paths that leave the assets lead nowhere", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const host = `127.0.0.1:${serve.ready.port}`;
  for (const path of ["/assets/../deno.json", "/assets/%2e%2e/deno.json", "/assets/..%2fmain.ts"]) {
    const { status } = await rawHttp(serve.ready.port, getRequest(path, { host }));
    assert.equal(status, 404, path);
  }
});

for (const kind of LANES) {
  Deno.test(`auth, ${kind}: a ticket opens one session, once`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box);
    const first = await LiveClient.open(box, serve, kind);
    assert.equal(first.last<Welcome>(MessageType.Welcome)!.access, "control");
    for (const ticket of [first.ticket, "made-up"]) {
      const thief = await LiveClient.openSilent(box, serve, kind);
      thief.hello({ ticket });
      const bye = await waitFor("goodbye", () => thief.bye);
      assert.match(bye.reason, /neither a valid ticket nor a valid token/);
      await thief.ended();
    }
    assert(!first.closed);
  });

  Deno.test(`auth, ${kind}: a session whose first message is another is ended`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box);
    const client = await LiveClient.openSilent(box, serve, kind);
    client.send(encodeJson(MessageType.Subscribe, 1, { run: "a" }));
    await client.ended();
    assert.equal(client.bye?.retry, false);
  });

  Deno.test(`auth, ${kind}: a session that says nothing is ended`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box);
    const client = await LiveClient.openSilent(box, serve, kind);
    await client.ended();
  });

  Deno.test(`auth, ${kind}: the view token watches, and its commands are refused`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box, { args: ["--view-token"] });
    const viewToken = serve.ready.viewToken!;
    assert.notEqual(viewToken, serve.ready.token);
    const viewer = await LiveClient.open(box, serve, kind, viewToken);
    assert.equal(viewer.last<Welcome>(MessageType.Welcome)!.access, "view");
    viewer.subscribe(1, box.runId("any"));
    const reply = await viewer.command(1, { command: "pause" });
    assert.equal(reply.ok, false);
    assert.match(reply.error!, /watch, not touch/);
  });
}
