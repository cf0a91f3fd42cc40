/** Which lane a page finds by itself, wherever its server is. */

import assert from "node:assert/strict";
import { TestBox } from "../harness/box.ts";
import { launchBrowser, ViewerPage } from "../harness/browser.ts";
import { planFor } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { Serve } from "../harness/serve.ts";
import { openTcpTunnel } from "../harness/tcp_tunnel.ts";
import { waitFor } from "../harness/wait.ts";

Deno.test("lanes: on the machine itself WebTransport carries the page", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("local");
  await TestProducer.start(box, planFor(run));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  // On a machine so busy that its handshake takes over 500 ms the WebSocket is right to win: then once more.
  await waitFor("WebTransport", async () => {
    await viewer.visitRun(serve, run);
    return (await viewer.untilMoving()).connection.transport === "webtransport";
  });
  await viewer.untilHud("transport", "WebTransport");
});

Deno.test("lanes: through a tunnel that carries TCP only, the WebSocket carries the page", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--allow-host=127.0.0.2"] });
  const host = openTcpTunnel(box, serve.ready.port);
  const run = box.runId("tunnel");
  await TestProducer.start(box, planFor(run));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.page.goto(serve.address(`/runs/${run}`).replace("127.0.0.1", host));
  const { connection } = await viewer.untilMoving();
  assert.equal(connection.transport, "websocket");
  await viewer.untilHud("transport", "WebSocket");
});

Deno.test("lanes: with TLS, both lanes carry the page", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--tls=self-signed"] });
  const run = box.runId("tls");
  await TestProducer.start(box, planFor(run));
  const browser = await launchBrowser(box);
  for (const transport of ["webtransport", "websocket"]) {
    const viewer = await ViewerPage.open(browser, { ignoreHTTPSErrors: true });
    const url = new URL(serve.ready.url);
    assert.equal(url.protocol, "https:");
    url.pathname = `/runs/${run}`;
    url.searchParams.set("transport", transport);
    await viewer.page.goto(url.href);
    const { connection } = await viewer.untilMoving();
    assert.equal(connection.transport, transport);
  }
});

Deno.test("lanes: where the browser trusts the origin with nothing, the WebSocket carries the page", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--allow-host=box.test"] });
  const run = box.runId("insecure");
  await TestProducer.start(box, planFor(run));
  // Plain HTTP under a name that is not the loopback's: no secure context, so no WebTransport.
  const flags = ["--host-resolver-rules=MAP box.test 127.0.0.1"];
  const viewer = await ViewerPage.open(await launchBrowser(box, flags));
  await viewer.page.goto(serve.address(`/runs/${run}`).replace("127.0.0.1", "box.test"));
  const { connection } = await viewer.untilMoving();
  assert.equal(await viewer.page.evaluate(() => globalThis.isSecureContext), false);
  assert.equal(connection.transport, "websocket");
});
