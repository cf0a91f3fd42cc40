/** A script in CleanRL's manner, run unchanged by `python -m telebridge.cleanrl`. */

import assert from "node:assert/strict";
import { ROOT, TestBox } from "../harness/box.ts";
import { waitFor } from "../harness/wait.ts";
import { spoolDir } from "./driver.ts";
import { startServer } from "./server.ts";
import { Stored } from "./stored.ts";

const PYPI_AWAY_EXIT_CODE = 3;

/** The Python that has what CleanRL's scripts import; null where PyPI cannot be reached. */
function cleanrlPython(): string | null {
  const found = new Deno.Command("tools/python_venv.sh", { args: ["cleanrl"], cwd: ROOT })
    .outputSync();
  if (found.code === PYPI_AWAY_EXIT_CODE) return null;
  assert(found.success, new TextDecoder().decode(found.stderr));
  return new TextDecoder().decode(found.stdout).trim();
}

const python = cleanrlPython();
if (python === null) console.log("SKIP: CleanRL's hook: PyPI cannot be reached");

async function runScript(box: TestBox, args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(python!, {
    args: ["-P", "-m", "telebridge.cleanrl", "--tags", "baseline", ...args],
    cwd: box.folder,
    env: {
      ...box.environment,
      TELEBRIDGE_DATA_DIR: box.dataDir,
      TELEBRIDGE_SPOOL_DIR: spoolDir(box),
      SDL_VIDEODRIVER: "dummy",
      SDL_AUDIODRIVER: "dummy",
    },
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout).trim(), stderr: decode(stderr) };
}

/** The run that the script's writer names, once it has one. */
async function runIdOf(box: TestBox, prefix: string): Promise<string> {
  return await waitFor("the writer's folder", async () => {
    try {
      const found = await Array.fromAsync(Deno.readDir(`${box.folder}/runs`));
      return found.map(({ name }) => name).find((name) => name.startsWith(prefix));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  });
}

const script = `${ROOT}tests/python/cleanrl_like.py`;

Deno.test({
  name: "cleanrl: metrics, hyperparameters, texts, histograms and videos are stored",
  ignore: python === null,
  async fn() {
    await using box = await TestBox.create();
    await startServer(box);
    const { code, stdout, stderr } = await runScript(box, [script, "--capture-video"]);
    assert.equal(code, 0, stderr);
    const runId = stdout.split("\n").at(-1)!;
    await waitFor("the end of the run", () => {
      using stored = new Stored(box, runId);
      return stored.run?.state === "finished" && stored.checkpoints.length === 2;
    });

    using stored = new Stored(box, runId);
    assert.deepEqual(stored.run?.tags, ["baseline"]);
    const { seed, capture_video, "env_id": envId } = stored.params;
    assert.deepEqual([seed, capture_video, envId], ["1", "True", "CartPole-v1"]);
    const samples = stored.samples();
    const returns = samples.filter(({ series }) => series === "charts/episodic_return");
    assert.equal(returns.length, 2);
    assert(returns.every(({ value, step }) => value > 0 && step! > 0));
    assert.deepEqual(
      samples.filter(({ series }) => series === "losses/value_loss").map(({ value }) => value),
      [0.5, 0.5],
    );
    assert.deepEqual(
      stored.episodes().map(({ episodeReturn }) => episodeReturn),
      returns.map(({ value }) => value),
    );
    assert.deepEqual(stored.histograms().map(({ series }) => series), ["weights", "weights"]);
    assert(stored.logs().some(({ source, text }) => source === "notes" && text === "the end"));
    assert.deepEqual(
      stored.checkpoints.map(({ name }) => name).toSorted(),
      ["rl-video-episode-0.mp4", "rl-video-episode-1.mp4"],
    );
    assert(stored.checkpoints.every(({ sizeBytes }) => sizeBytes > 1000n));
  },
});

Deno.test({
  name: "cleanrl: the captured environment is shown live, and a failure is the run's too",
  ignore: python === null,
  async fn() {
    await using box = await TestBox.create();
    const serve = await startServer(box);
    const args = [script, "--capture-video", "--episodes", "400", "--seed", "2", "--fail"];
    const running = runScript(box, args);
    const runId = await runIdOf(box, "CartPole-v1__cleanrl_like__2");
    const jpeg = await waitFor("a picture", async () => {
      const response = await serve.fetch(`/runs/${runId}/frame.jpg`);
      const bytes = await response.bytes();
      return response.ok ? bytes : null;
    });
    assert.deepEqual([...jpeg.subarray(0, 2)], [0xff, 0xd8]);
    const { code, stderr } = await running;
    assert.equal(code, 1);
    assert.match(stderr, /RuntimeError: as asked for/);
    await waitFor("the end of the run", () => {
      using stored = new Stored(box, runId);
      return stored.run?.state === "failed";
    });
    using stored = new Stored(box, runId);
    assert.equal(stored.run?.reason, "RuntimeError: as asked for");
  },
});
