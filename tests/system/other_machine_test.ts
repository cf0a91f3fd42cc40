/** The Python client on another machine: TLS, a clock of its own, and an ingest process that is killed meanwhile. */

import assert from "node:assert/strict";
import { MessageType, type StreamState } from "../../proto/wire.ts";
import { ROOT, TestBox } from "../harness/box.ts";
import { LiveClient } from "../harness/live_client.ts";
import { canHaveOtherMachine, OtherMachine } from "../harness/other_machine.ts";
import { Serve } from "../harness/serve.ts";
import { installedPython } from "../harness/python.ts";
import { waitFor } from "../harness/wait.ts";
import { Worker } from "../harness/worker.ts";

/** Pids of a process's children that run the ingest process. */
function ingestPids(parentPid: number): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      const status = Deno.readTextFileSync(`/proc/${pid}/status`);
      const command = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
      return status.includes(`\nPPid:\t${parentPid}\n`) && command.includes("ingest");
    } catch {
      return false; // no process, or none any more
    }
  });
}

Deno.test(
  "other machine: its pictures come by TLS with the right times, and again after the ingest process was killed",
  {
    ignore: !canHaveOtherMachine(),
  },
  async () => {
    await using box = await TestBox.create();
    const machine = await OtherMachine.create(box);
    const { ourAddress } = machine;
    const serve = await Serve.start(box, {
      args: ["--host=0.0.0.0", "--tls=self-signed", `--grpc-host=${ourAddress}`].concat(
        `--allow-host=${ourAddress}`,
      ),
    });
    const { port, token } = serve.ready;
    const certificate = `${box.dataDir}/tls-cert.pem`;
    using trusting = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(certificate)] });
    const run = box.runId("other");
    const [command, ...args] = [
      ...machine.prefix,
      ...["env", `TELEBRIDGE_URL=https://${ourAddress}:${port}/?token=${token}`],
      ...[`TELEBRIDGE_CERTIFICATE=${certificate}`, `TELEBRIDGE_SPOOL_DIR=${box.folder}/spool`],
      ...[installedPython(), "-P", `${ROOT}tests/harness/remote_worker.py`, run, "64", "48"],
    ];
    const worker = Worker.start(box, command!, args);
    const pid = Number((await worker.line()).split(" ")[1]);
    box.onEnd(() => Promise.resolve(Deno.kill(pid, "SIGINT")));

    const origin = `https://localhost:${port}`;
    const client = await LiveClient.open(
      box,
      { origin, ready: { token }, trusting },
      "webtransport",
    );
    client.subscribe(1, run);
    await client.framesCount(10);
    for (const { header, payload } of client.frames) {
      assert.deepEqual([...payload.subarray(0, 3)], [header.step % 251, 7, 99]);
      const lateMs = Number(header.tSentNs - header.tMonoNs) / 1e6;
      assert(lateMs >= 0 && lateMs < 5_000, `${lateMs} ms: the clocks' offset is not known`);
    }
    assert(client.runs.some(({ id }) => id === run));

    const epoch = () => client.last<StreamState>(MessageType.State)!.epoch;
    const before = { epoch: epoch(), step: client.frames.at(-1)!.header.step };
    const [ingestPid] = ingestPids(serve.pid);
    Deno.kill(ingestPid!, "SIGKILL");
    await waitFor(
      "pictures through the next ingest process",
      () => epoch() !== before.epoch && client.frames.at(-1)!.header.step > before.step + 5,
    );
  },
);
