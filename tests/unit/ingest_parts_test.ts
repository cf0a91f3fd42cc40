/** Parts of the ingest process that decide something, without the process. */

import assert from "node:assert/strict";
import { deserialize, serialize } from "node:v8";
import { metricsText } from "../../core/durable/metrics_text.ts";
import { FeedSplitter } from "../../core/durable/feed_channel.ts";
import { NO_STEP } from "../../core/storage/records.ts";
import { Batcher, ROWS_PER_COMMIT_MAX } from "../../ingest/batcher.ts";
import {
  conditionOf,
  CreditDesk,
  CREDITS_MAX,
  QUEUED_BYTES_MAX,
  type StoreCondition,
} from "../../ingest/credits.ts";
import { joined } from "../../ingest/follow_feed.ts";
import type { IngestContext } from "../../ingest/context.ts";
import { expectRunning } from "../../ingest/lost_runs.ts";
import { IngestMetrics } from "../../ingest/metrics.ts";
import { Presence } from "../../ingest/presence.ts";
import { StoreState } from "../../proto/gen/telebridge/v1/publish_pb.ts";
import { sleep, waitFor } from "../harness/wait.ts";

/** A batcher whose store is done when it is told so. */
class BatcherRig {
  readonly commits: number[] = [];
  readonly batcher: Batcher;
  #waiting = 0;

  constructor(waitMs: number) {
    this.batcher = new Batcher({
      records: 128,
      waitMs,
      flush: () => {
        const rows = Math.min(this.#waiting, ROWS_PER_COMMIT_MAX);
        this.#waiting -= rows;
        this.commits.push(rows);
        return rows;
      },
    });
  }

  add(rows: number): void {
    this.#waiting += rows;
    this.batcher.add(rows);
  }
}

Deno.test("batcher: enough rows go at once, what comes meanwhile goes together", () => {
  const rig = new BatcherRig(60_000);
  rig.add(100);
  assert.deepEqual(rig.commits, []);
  rig.add(28);
  assert.deepEqual(rig.commits, [128]);
  rig.add(500);
  rig.add(500);
  assert.deepEqual(rig.commits, [128]);
  rig.batcher.committed();
  assert.deepEqual(rig.commits, [128, 1000]);
  rig.add(2_048); // worth a second one ahead
  rig.add(20_000);
  assert.deepEqual(rig.commits, [128, 1000, 2048]);
  rig.batcher.committed();
  rig.batcher.committed();
  rig.batcher.committed();
  rig.batcher.committed();
  assert.deepEqual(rig.commits.slice(3), [8192, 8192, 3616]);
  rig.batcher.committed();
  assert(rig.batcher.idle);
  rig.batcher.stop();
});

Deno.test("batcher: fewer rows go after the wait, or when somebody is in a hurry", async () => {
  const rig = new BatcherRig(1);
  rig.add(3);
  await waitFor("the wait", () => rig.commits.length === 1);
  rig.batcher.committed();
  const slow = new BatcherRig(60_000);
  slow.add(3);
  slow.batcher.hurry();
  assert.deepEqual(slow.commits, [3]);
  slow.batcher.stop();
});

Deno.test("credits: they shrink as the queue grows, and nobody is read beyond its limit", () => {
  const conditions: StoreCondition[] = [];
  const pauses: boolean[] = [];
  const desk = new CreditDesk({
    onChange: (condition) => conditions.push(condition),
    onPause: (paused) => pauses.push(paused),
  });
  for (let part = 0; part <= 1.1; part += 0.01) desk.update(part * QUEUED_BYTES_MAX, null);
  const credits = conditions.map((condition) => condition.credits);
  assert.deepEqual(credits, credits.toSorted((a, b) => b - a));
  assert(credits.length > 2 && credits.length < 10, `${credits}`);
  assert(credits.at(-1)! <= CREDITS_MAX / 32);
  assert(conditions.every(({ state, reason }) => state === StoreState.SLOW && reason !== ""));
  assert.deepEqual(pauses, [true]);
  desk.update(0.6 * QUEUED_BYTES_MAX, null);
  assert.deepEqual(pauses, [true]);
  desk.update(0.4 * QUEUED_BYTES_MAX, null);
  assert.deepEqual(pauses, [true, false]);
});

Deno.test("credits: a store that fails gives none, and says why", () => {
  assert.deepEqual(conditionOf(0, "disk full"), {
    credits: 0,
    state: StoreState.FAILING,
    reason: "disk full",
  });
  assert.deepEqual(conditionOf(0, null), {
    credits: CREDITS_MAX,
    state: StoreState.OK,
    reason: "",
  });
});

Deno.test("presence: a run is lost when its last client has been gone for the time", async () => {
  const lost: string[] = [];
  using presence = new Presence({ absentMsMax: 20, onLost: (runId) => lost.push(runId) });
  const [first, second] = [presence.enter("a"), presence.enter("a")];
  presence.enter("stays");
  presence.expect("stays");
  presence.expect("never came");
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert(presence.has("a"));
  await sleep(60);
  assert.deepEqual(lost, ["never came"]);
  second[Symbol.dispose]();
  const back = presence.enter("a");
  await sleep(60);
  assert.deepEqual(lost, ["never came"]);
  back[Symbol.dispose]();
  await waitFor("its loss", () => lost.includes("a"));
  presence.enter("b")[Symbol.dispose]();
  presence.forget("b");
  await sleep(60);
  assert(!lost.includes("b"));
});

Deno.test("presence: runs that were going on are asked for again until the store answers", async () => {
  const expected: string[] = [];
  let asked = 0;
  const history = {
    stopped: false,
    call: () =>
      ++asked === 1
        ? Promise.reject(new Error("the disk is full"))
        : Promise.resolve({ rows: [{ runId: "on", state: "running" }], next: null }),
  } as unknown as IngestContext["history"];
  const presence = { expect: (runId: string) => expected.push(runId) } as unknown as Presence;
  await expectRunning({ history, presence }, 10);
  assert.deepEqual(expected, []);
  await waitFor("the second answer", () => expected.length > 0);
  assert.deepEqual(expected, ["on"]);
});

Deno.test("feed: messages are whole wherever the pipe cuts them", () => {
  const bodies = ["a", { big: 2n ** 60n }, new Float64Array([NaN])].map((value) =>
    serialize(value)
  );
  const stream = new Uint8Array(bodies.flatMap((body) => {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, body.byteLength, true);
    return [...length, ...body];
  }));
  for (const cut of [1, 3, 7, stream.byteLength]) {
    const splitter = new FeedSplitter();
    const values: unknown[] = [];
    for (let at = 0; at < stream.byteLength; at += cut) {
      for (const body of splitter.split(stream.subarray(at, at + cut))) {
        values.push(deserialize(body));
      }
    }
    assert.deepEqual(values, ["a", { big: 2n ** 60n }, new Float64Array([NaN])]);
  }
  const huge = Uint8Array.of(255, 255, 255, 255);
  assert.throws(() => [...new FeedSplitter().split(huge)], RangeError);
});

Deno.test("feed: samples of several batches are joined under one numbering", () => {
  const column = (values: number[]) => BigInt64Array.from(values, BigInt);
  const samples = joined([
    {
      names: ["a", "b"],
      series: Uint32Array.of(0, 1),
      timeUnixNs: column([1, 2]),
      step: null,
      value: Float64Array.of(1, 2),
    },
    {
      names: ["b", "c"],
      series: Uint32Array.of(0, 1),
      timeUnixNs: column([3, 4]),
      step: BigUint64Array.of(7n, NO_STEP),
      value: Float64Array.of(3, 4),
    },
  ]);
  assert.deepEqual([...samples.series].map((number) => samples.names[number]), [
    "a",
    "b",
    "b",
    "c",
  ]);
  assert.deepEqual([...samples.step!], [NO_STEP, NO_STEP, 7n, NO_STEP]);
  assert.deepEqual([...samples.value], [1, 2, 3, 4]);
});

Deno.test("metrics: values of one name stand together, histograms are cumulative", () => {
  const metrics = new IngestMetrics();
  metrics.counter("rows", "Rows.", { kind: "steps" }).add(3);
  const durations = metrics.durations("batch", "Batches.", [0.1, 1]);
  metrics.counter("rows", "Rows.", { kind: "logs" });
  for (const seconds of [0.05, 0.5, 5]) durations.observe(seconds);
  assert.equal(
    metricsText(metrics.values()),
    `# HELP telebridge_rows_total Rows.
# TYPE telebridge_rows_total counter
telebridge_rows_total{kind="steps"} 3
telebridge_rows_total{kind="logs"} 0
# HELP telebridge_batch_seconds Batches.
# TYPE telebridge_batch_seconds histogram
telebridge_batch_seconds_bucket{le="0.1"} 1
telebridge_batch_seconds_bucket{le="1"} 2
telebridge_batch_seconds_bucket{le="+Inf"} 3
telebridge_batch_seconds_sum 5.55
telebridge_batch_seconds_count 3
`,
  );
});
