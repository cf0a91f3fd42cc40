/** Clients find the server by its URL or by its data directory, and say once when it does not want them. */

import assert from "node:assert/strict";
import { init } from "../../clients/ts/mod.ts";
import { findEndpoint, placeOf } from "../../clients/ts/discovery.ts";
import { TestBox } from "../harness/box.ts";
import { Serve } from "../harness/serve.ts";
import { spoolDir, testEachClient } from "./driver.ts";
import { startServer } from "./server.ts";
import { Stored } from "./stored.ts";

/** Nobody serves this one. */
const NOWHERE = { TELEBRIDGE_DATA_DIR: "/nonexistent" };

testEachClient("one URL with the token in it is enough", async (start) => {
  await using box = await TestBox.create();
  const serve = await startServer(box);
  const runId = box.runId("url");
  const url = serve.address("/");
  const driver = start(box, { environment: { ...NOWHERE, TELEBRIDGE_URL: url } });
  await driver.init(runId);
  await driver.burst(0, 100);
  assert.equal(await driver.flush(), true);
  assert.equal(await driver.finish(), "");
  using stored = new Stored(box, runId);
  assert.equal(stored.steps().length, 100);
});

testEachClient("the token may stand in the environment", async (start) => {
  await using box = await TestBox.create();
  const serve = await startServer(box);
  const runId = box.runId("token");
  const driver = start(box, {
    environment: {
      ...NOWHERE,
      TELEBRIDGE_URL: serve.origin,
      TELEBRIDGE_TOKEN: serve.ready.token,
    },
  });
  await driver.init(runId);
  await driver.burst(0, 100);
  assert.equal(await driver.flush(), true);
  await driver.finish();
  using stored = new Stored(box, runId);
  assert.equal(stored.steps().length, 100);
});

testEachClient("a wrong token is one complaint, and no failure of the script's", async (start) => {
  await using box = await TestBox.create();
  const serve = await startServer(box);
  const driver = start(box, {
    environment: {
      ...NOWHERE,
      TELEBRIDGE_URL: serve.origin,
      TELEBRIDGE_TOKEN: "wrong",
      TELEBRIDGE_EXIT_FLUSH_S: "1",
    },
  });
  await driver.init(box.runId("stranger"));
  await driver.burst(0, 100);
  assert.equal(await driver.flush({ timeoutMs: 2_000 }), false);
  await driver.burst(100, 200);
  const complaints = await driver.finish();
  const aboutToken = complaints.split("\n").filter((line) => /token/i.test(line));
  assert.equal(aboutToken.length, 1, complaints);
  assert(!complaints.includes("wrong\n") && !/Traceback|Error:/.test(complaints), complaints);
});

/** As workers on other machines see this one. */
const address = Deno.networkInterfaces().find(({ family, name }) =>
  family === "IPv4" && name !== "lo"
)
  ?.address;

Deno.test({
  name: "typescript: from another machine rows go by TLS, to the certificate that the server named",
  ignore: address === undefined,
  async fn() {
    await using box = await TestBox.create();
    const args = [
      "--grpc-port=0",
      `--host=${address}`,
      "--tls=self-signed",
      `--grpc-host=${address}`,
    ];
    const serve = await Serve.start(box, { args });
    // With the socket in sight this would be the server's own machine.
    await Deno.remove(`${box.dataDir}/ingest.sock`);
    const runId = box.runId("remote");
    Deno.env.set("TELEBRIDGE_CERTIFICATE", `${box.dataDir}/tls-cert.pem`);
    const url = `https://${address}:${serve.ready.port}/?token=${serve.ready.token}`;
    const run = init({ run: runId, url, spoolDir: spoolDir(box) });
    Deno.env.delete("TELEBRIDGE_CERTIFICATE");
    run.step({ step: 1 });
    assert.equal(await run.flush(), true, run.stats.awayBecause);
    await run.finish();
    using stored = new Stored(box, runId);
    assert.deepEqual(stored.steps().map(({ step }) => step), [1]);
  },
});

Deno.test("typescript: a certificate that is not trusted, or not there, is told with its remedy", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--tls=self-signed"] });
  const { port, token } = serve.ready;
  const place = placeOf({ url: `https://localhost:${port}/?token=${token}` }, {});
  await assert.rejects(
    findEndpoint(place),
    /cannot reach https:.*self-signed certificate \(TELEBRIDGE_CERTIFICATE names a PEM file/,
  );
  assert.throws(
    () => placeOf({}, { TELEBRIDGE_CERTIFICATE: "/nonexistent/cert.pem" }),
    /cannot read TELEBRIDGE_CERTIFICATE \/nonexistent\/cert.pem: /,
  );
});
