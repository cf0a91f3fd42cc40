/** Pictures of the TypeScript client, which has no shared memory: they come by gRPC, and a viewer sees them. */

import assert from "node:assert/strict";
import { init } from "../../clients/ts/mod.ts";
import { TestBox } from "../harness/box.ts";
import { sleep, waitFor } from "../harness/wait.ts";
import { spoolDir } from "./driver.ts";
import { ingestPid, startServer } from "./server.ts";

const SIZE = 32;

Deno.test("typescript: a picture is shown, also after the ingest process was killed", async () => {
  await using box = await TestBox.create();
  const serve = await startServer(box);
  const runId = box.runId("remote");
  const run = init({ run: runId, dataDir: box.dataDir, spoolDir: spoolDir(box) });
  let isOver = false;
  const publishing = (async () => {
    for (let step = 0; !isOver; step++) {
      run.step({ step, reward: 1 });
      const pixels = new Uint8Array(SIZE * SIZE * 3).fill(step % 256);
      run.frame({ pixels, width: SIZE, height: SIZE });
      await sleep(20);
    }
  })();
  try {
    await showsPicture();
    Deno.kill(await ingestPid(serve), "SIGKILL");
    await waitFor("the end of the connection", () => !run.stats.connected);
    const sentBefore = run.stats.framesSent;
    await waitFor("another picture", () => run.stats.framesSent > sentBefore);
    await showsPicture();
  } finally {
    isOver = true;
    await publishing;
  }
  const { waiting, framesSent, framesSkipped } = await run.finish();
  assert.equal(waiting, 0);
  assert(framesSent > 0 && framesSkipped > 0, "nobody watches: most pictures are left out");

  async function showsPicture() {
    const jpeg = await waitFor("a picture over HTTP", async () => {
      const response = await serve.fetch(`/runs/${runId}/frame.jpg`);
      const bytes = await response.bytes();
      return response.ok ? bytes : null;
    });
    assert.deepEqual([...jpeg.subarray(0, 2)], [0xff, 0xd8]);
  }
});

Deno.test("typescript: a picture that is not what it says is an error of the script's", async () => {
  await using box = await TestBox.create();
  await using run = init({
    run: box.runId("wrong"),
    dataDir: box.dataDir,
    spoolDir: spoolDir(box),
    onWarning: () => {},
  });
  const pixels = new Uint8Array(SIZE * SIZE * 3);
  assert.throws(() => run.frame({ pixels, width: SIZE, height: SIZE + 1 }), RangeError);
  assert.throws(() => run.frame({ pixels, width: 0, height: SIZE }), RangeError);
  assert.throws(
    () => run.frame({ pixels, width: SIZE, height: SIZE, format: "rgba8" }),
    RangeError,
  );
  assert.equal(run.frame({ pixels, width: SIZE, height: SIZE }), false, "there is no server");
});
