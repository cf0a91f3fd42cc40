/** Clients that leave in good order after much was sent: the runtime aborted at their GOAWAY (proto/http2_close.ts). */

import assert from "node:assert/strict";
import { TestBox } from "../harness/box.ts";
import { childOf } from "../harness/processes.ts";
import { Serve } from "../harness/serve.ts";
import { grpcClient, StepCall } from "../harness/step_call.ts";
import { waitFor } from "../harness/wait.ts";

/** One was enough on three tries of four. */
const CLIENTS = 3;
const MESSAGES = 200;
const ROWS_PER_MESSAGE = 1000;
/** Not more than its credits. */
const MESSAGES_UNDER_WAY = 30;

async function publishMuch(call: StepCall): Promise<void> {
  await waitFor("the first ack", () => call.ack !== null);
  for (let message = 0; message < MESSAGES; message++) {
    const sent = message * ROWS_PER_MESSAGE;
    call.write(BigInt(sent + 1), ROWS_PER_MESSAGE);
    const isNear = () =>
      Number(call.ack!.committedSequence) >= sent - MESSAGES_UNDER_WAY * ROWS_PER_MESSAGE;
    await waitFor("acks", isNear);
  }
  await waitFor("all acks", () => call.ack!.committedSequence >= MESSAGES * ROWS_PER_MESSAGE);
}

for (const way of ["end", "cancel"] as const) {
  Deno.test(`ingest: it lives on when clients ${way} their calls and close their connections`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box);
    const ingest = await childOf(serve.pid, "ingest");
    for (let n = 1; n <= CLIENTS; n++) {
      const client = grpcClient(`unix:${box.dataDir}/ingest.sock`);
      const streamId = new Uint8Array(16).fill(n);
      const call = new StepCall(client, { runId: box.runId(`${way}${n}`), streamId });
      await publishMuch(call);
      if (way === "cancel") call.cancel();
      else await call.end();
      client.close();
    }
    const next = grpcClient(`unix:${box.dataDir}/ingest.sock`);
    const call = new StepCall(next, { runId: box.runId("next"), streamId: new Uint8Array(16) });
    await waitFor("a call to be served", () => call.ack !== null);
    assert.equal(await call.end(), "");
    next.close();
    assert.equal(await childOf(serve.pid, "ingest"), ingest, "it was restarted");
  });
}
