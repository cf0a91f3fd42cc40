/** The durable lane's whole path: client, gRPC, SQLite, committed ack; and what the fast lane notices of it. */

import { ROWS_PER_COMMIT_MAX } from "../ingest/batcher.ts";
import { ROOT, TestBox } from "../tests/harness/box.ts";
import { LiveClient } from "../tests/harness/live_client.ts";
import { Serve } from "../tests/harness/serve.ts";
import type { ClientFigures } from "./durable_client.ts";
import { hasInflux, influxRowsPerSecond } from "./influx.ts";
import { type Bench, type BenchOptions, percentiles, type Row } from "./report.ts";
import { sqliteRowsPerSecond } from "./sqlite_peer.ts";
import { startCards } from "./video_runs.ts";

const ROWS_A_MESSAGE = [64, 1024];
const C_RATIO_MIN = 0.7;
const INFLUX_RATIO_MIN = 4;
const FAST_LANE_RATIO_MAX = 1.2;
const INFLUX_ROWS_PER_REQUEST = 5_000;
/** Of messages whose latency is measured: a trainer that logs often. */
const LATENCY_MESSAGES_PER_SECOND = 100;
const FRAMES_WARM = 30;
const NS_PER_MS = 1e6;

const perSecond = (rows: number) => `${(rows / 1e6).toFixed(3)} M rows/s`;
const ms = (value: number) => `${value.toFixed(2)} ms`;

interface Sending {
  seconds: number;
  rows: number;
  messagesPerSecond?: number;
  synced?: boolean;
  /** At the lowest priority, for a client that stands for workers on other machines. */
  elsewhere?: boolean;
}

/** Lets a client of its own process publish, and resolves to what it measured. */
async function send(box: TestBox, sending: Sending): Promise<ClientFigures> {
  const { seconds, rows, messagesPerSecond, synced = false, elsewhere = false } = sending;
  const { success, stdout } = await new Deno.Command("nice", {
    args: [
      ...["-n", elsewhere ? "19" : "0", Deno.execPath()],
      ...["run", "--allow-all", "--quiet", "--cached-only", `${ROOT}bench/durable_client.ts`],
      ...["--target", `unix:${box.dataDir}/ingest.sock`, "--run", box.runId("sent")],
      ...["--seconds", String(seconds), "--rows", String(rows)],
      ...(messagesPerSecond === undefined ? [] : ["--messages-per-second", `${messagesPerSecond}`]),
      ...(synced ? ["--synced"] : []),
    ],
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("the client failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function measureRates(box: TestBox, { smoke, progress }: BenchOptions): Promise<Row[]> {
  const seconds = smoke ? 1 : 15;
  const rows: Row[] = [];
  let best = 0;
  for (const rowsAMessage of ROWS_A_MESSAGE) {
    progress(`steps, ${rowsAMessage} a message, for ${seconds} s`);
    const { rowsCommitted, seconds: took } = await send(box, { seconds, rows: rowsAMessage });
    const rate = rowsCommitted / took;
    best = Math.max(best, rate);
    const c = await sqliteRowsPerSecond(box, {
      rows: smoke ? 50_000 : 4_000_000,
      rowsPerTransaction: ROWS_PER_COMMIT_MAX,
    });
    rows.push({
      what: `steps of one client to their committed ack, ${rowsAMessage} a message`,
      measured: perSecond(rate),
      against: `C, prepared statement, ${ROWS_PER_COMMIT_MAX} a transaction: ${perSecond(c)}; ${
        (rate / c).toFixed(2)
      }×`,
      limit: `≥ ${C_RATIO_MIN}×`,
      met: rate / c >= C_RATIO_MIN,
    });
  }
  if (hasInflux()) {
    progress("the same rows into InfluxDB");
    const influx = await influxRowsPerSecond(box, {
      rows: smoke ? 50_000 : 4_000_000,
      rowsPerRequest: INFLUX_ROWS_PER_REQUEST,
    });
    rows.push({
      what: "the same beside InfluxDB 1.6, line protocol, 5,000 rows a request",
      measured: perSecond(best),
      against: `${perSecond(influx)}; ${(best / influx).toFixed(2)}×`,
      limit: `≥ ${INFLUX_RATIO_MIN}×`,
      met: best / influx >= INFLUX_RATIO_MIN,
    });
  }
  return rows;
}

async function measureLatency(box: TestBox, { smoke, progress }: BenchOptions): Promise<Row[]> {
  progress("from publish to committed, and to synced");
  const seconds = smoke ? 1 : 20;
  const pace = { seconds, rows: 64, messagesPerSecond: LATENCY_MESSAGES_PER_SECOND };
  const plain = await send(box, pace);
  const synced = await send(box, { ...pace, synced: true });
  const text = (samples: number[]) => {
    const { p50, p99 } = percentiles(samples);
    return `p50 ${ms(p50)}, p99 ${ms(p99)}`;
  };
  const what = `${LATENCY_MESSAGES_PER_SECOND} messages of 64 steps a second`;
  return [
    {
      what: `publish to committed, ${what}`,
      measured: text(plain.committedMs),
      against: `with synced acks asked for: ${text(synced.committedMs)}`,
      limit: "",
      met: null,
    },
    {
      what: "publish to synced, the same",
      measured: text(synced.syncedMs),
      against: "",
      limit: "",
      met: null,
    },
  ];
}

/** The worker's stamp to handed to the transport of raw frames, ms, while something else goes on or not. */
async function fastLane(
  client: LiveClient,
  framesCount: number,
  meanwhile: () => Promise<unknown>,
): Promise<{ p50: number; p99: number }> {
  const busy = meanwhile();
  const first = client.frames.length + FRAMES_WARM;
  await client.framesCount(first + framesCount);
  const latencies = client.frames.slice(first, first + framesCount)
    .map(({ header }) => Number(header.tSentNs - header.tMonoNs) / NS_PER_MS);
  await busy;
  return percentiles(latencies);
}

async function measureFastLane(
  box: TestBox,
  serve: Serve,
  { smoke, progress }: BenchOptions,
): Promise<Row[]> {
  progress("the fast lane beside it");
  const seconds = smoke ? 1 : 20;
  const framesCount = smoke ? 20 : seconds * 50;
  await using cards = await startCards(box, { width: 160, height: 160, framesPerSecond: 60 });
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, cards.runId, { lane: "raw", accepts: ["raw"] });
  const idle = await fastLane(client, framesCount, () => Promise.resolve());
  const rows = ROWS_A_MESSAGE[0]!;
  const elsewhere = true;
  const full = await send(box, { seconds: smoke ? 1 : 5, rows, elsewhere });
  const half = full.rowsCommitted / full.seconds / rows / 2;
  const halfBusy = await fastLane(
    client,
    framesCount,
    () => send(box, { seconds, rows, messagesPerSecond: half, elsewhere }),
  );
  const saturated = await fastLane(
    client,
    framesCount,
    () => send(box, { seconds, rows, elsewhere }),
  );
  client.close();
  const ratio = halfBusy.p99 / idle.p99;
  const text = ({ p50, p99 }: { p50: number; p99: number }) => `p50 ${ms(p50)}, p99 ${ms(p99)}`;
  return [
    {
      what: "ring to transport, 160×160 raw at 60 Hz, ingest at half of its maximum",
      measured: text(halfBusy),
      against: `nothing ingested: ${text(idle)}; ${ratio.toFixed(2)}×`,
      limit: `p99 ≤ ${FAST_LANE_RATIO_MAX}×`,
      met: ratio <= FAST_LANE_RATIO_MAX,
    },
    {
      what: "the same, ingest saturated",
      measured: text(saturated),
      against: `${(saturated.p99 / idle.p99).toFixed(2)}×`,
      limit: "",
      met: null,
    },
  ];
}

async function measure(options: BenchOptions): Promise<Row[]> {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--log-level=error"] });
  return [
    ...await measureRates(box, options),
    ...await measureLatency(box, options),
    ...await measureFastLane(box, serve, options),
  ];
}

export const durablePathBench: Bench = {
  name: "durable-path",
  title: "The durable lane",
  run: measure,
};
