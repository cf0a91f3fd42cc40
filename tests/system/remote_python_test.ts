/** The Python client where the server does not see its ring: in another container, or after the ring was deleted. */

import assert from "node:assert/strict";
import {
  encodeInputs,
  encodeJson,
  InputKind,
  MessageType,
  PixelFormat,
  type StreamState,
} from "../../proto/wire.ts";
import { ROOT, TestBox } from "../harness/box.ts";
import { decodeH264 } from "../harness/ffmpeg.ts";
import { LiveClient, type LiveFrame } from "../harness/live_client.ts";
import { installedPython } from "../harness/python.ts";
import { canMount, Serve } from "../harness/serve.ts";
import { sleep, waitFor } from "../harness/wait.ts";
import { Worker } from "../harness/worker.ts";

/** Long enough for several frames of a worker that has not stopped. */
const QUIET_MS = 400;
const ALL = ["raw", "h264", "jpeg"] as const;

/** A trainer that knows the server by its URL alone. */
async function train(
  box: TestBox,
  serve: Serve,
  run: string,
  width: number,
  height: number,
): Promise<{ worker: Worker; pid: number }> {
  const environment = [
    `TELEBRIDGE_URL=${serve.origin}/?token=${serve.ready.token}`,
    `TELEBRIDGE_SPOOL_DIR=${box.folder}/spool`,
  ];
  const script = `${ROOT}tests/harness/remote_worker.py`;
  const args = [...environment, installedPython(), "-P", script, run, `${width}`, `${height}`];
  const worker = Worker.start(box, "env", args);
  const [ready, pid] = (await worker.line()).split(" ");
  assert.equal(ready, "ready");
  return { worker, pid: Number(pid) };
}

function checkPixels({ header, payload }: LiveFrame): void {
  const { width, height, stride, step } = header;
  assert.equal(header.format, PixelFormat.Rgb8);
  for (const y of [0, height - 1]) {
    const row = payload.subarray(y * stride, y * stride + width * 3);
    for (let x = 0; x < width; x++) {
      assert.deepEqual([...row.subarray(x * 3, x * 3 + 3)], [step % 251, 7, 99]);
    }
  }
}

Deno.test("remote python: in another container a run is seen, paused and steered as on this one", {
  ignore: !canMount(),
}, async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { noRuns: true });
  const run = box.runId("container");
  const { worker, pid } = await train(box, serve, run, 64, 48);
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, run);
  await client.framesCount(20);
  for (const frame of client.frames) checkPixels(frame);
  for (const { header } of client.frames) {
    const lateMs = Number(header.tSentNs - header.tMonoNs) / 1e6;
    assert(lateMs >= 0 && lateMs < 5_000, `${lateMs} ms from the worker to the transport`);
  }
  assert.equal((await client.command(1, { command: "pause" })).ok, true);
  await waitFor(
    "the run to wait",
    () => client.runs.find(({ id }) => id === run)?.phase === "paused",
  );
  const before = client.frames.at(-1)!.header.step;
  await sleep(QUIET_MS);
  assert(client.frames.at(-1)!.header.step <= before + 1, "a paused trainer makes no steps");
  await client.command(1, { command: "resume" });
  await waitFor("it to go on", () => client.frames.at(-1)!.header.step > before + 3);
  await client.command(1, { command: "take-control" });
  const pointer = { kind: InputKind.Pointer, code: 0, buttons: 1, modifiers: 0 };
  client.send(encodeInputs(1, [{ ...pointer, x: 0.25, y: 0.5 }]));
  let line = await worker.line();
  while (!line.startsWith("Pointer")) line = await worker.line();
  assert.match(line, /Pointer\(x=0\.25, y=0\.5, buttons=1/);
  Deno.kill(pid, "SIGKILL");
  const segment = `/dev/shm/mosaic.run.${run}.fastlane`;
  await waitFor(
    "the dead trainer's memory to be freed where no server sees it",
    () => Deno.stat(segment).then(() => false, () => true),
  );
});

Deno.test("remote python: large pictures come as H.264 that can be decoded from the first on", {
  ignore: !canMount(),
}, async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { noRuns: true });
  const run = box.runId("video");
  await train(box, serve, run, 640, 360);
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, run, { accepts: [...ALL], stayLive: false });
  await client.framesCount(30);
  assert(client.frames.every(({ header }) => header.format === PixelFormat.H264));
  const units = client.frames.map(({ header, payload }) =>
    payload.subarray(0, header.payloadBytes)
  );
  const { frames, sizes } = await decodeH264(units);
  assert.equal(frames, units.length);
  assert.deepEqual(sizes, ["640x360"]);
});

Deno.test("remote python: a deleted ring's pictures go on by gRPC, and a preference moves them too", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("deleted");
  await train(box, serve, run, 64, 48);
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, run);
  await client.framesCount(5);
  const epoch = () => client.last<StreamState>(MessageType.State)!.epoch;
  const ringEpoch = epoch();
  const routes = () =>
    client.last<{ routes: { run: string; publishesFrames: boolean }[] }>(MessageType.Durable)!
      .routes.find((route) => route.run === run);
  await waitFor("the worker's control stream", () => routes()?.publishesFrames === false, routes);
  const prefer = (route: string) =>
    client.send(encodeJson(MessageType.Route, 0, { run, prefer: route }));
  prefer("grpc");
  await waitFor("pictures by gRPC", () => epoch() !== ringEpoch);
  const stepAt = client.frames.at(-1)!.header.step;
  await waitFor("more of them", () => client.frames.at(-1)!.header.step > stepAt + 5);
  checkPixels(client.frames.at(-1)!);
  prefer("auto");
  await waitFor("the ring's pictures again", () => epoch() === ringEpoch);
  await waitFor(
    "control of the ring again",
    () => client.last<StreamState>(MessageType.State)!.controllable,
  );
  Deno.removeSync(`/dev/shm/mosaic.run.${run}.fastlane`);
  await waitFor("pictures by gRPC, as the ring is gone", () => {
    const state = client.last<StreamState>(MessageType.State)!;
    return state.phase === "live" && state.epoch !== ringEpoch;
  });
  const removedAt = client.frames.at(-1)!.header.step;
  await waitFor("later pictures", () => client.frames.at(-1)!.header.step > removedAt + 5);
  checkPixels(client.frames.at(-1)!);
});
