/** InfluxDB as Debian has it, on the same rows: what its line protocol takes. */

import type { TestBox } from "../tests/harness/box.ts";
import { sleep, waitFor } from "../tests/harness/wait.ts";

const DATABASE = "bench";
const STOP_MS_MAX = 5_000;

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

function configuration(folder: string, httpPort: number, rpcPort: number): string {
  return `
reporting-disabled = true
bind-address = "127.0.0.1:${rpcPort}"
[meta]
  dir = "${folder}/meta"
[data]
  dir = "${folder}/data"
  wal-dir = "${folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:${httpPort}"
  log-enabled = false
`;
}

/** The same five columns as a row of steps has; one series, as one run is. */
function lines(first: number, count: number): string {
  const rows: string[] = [];
  for (let step = first; step < first + count; step++) {
    const time = 1_700_000_000_000_000_000n + BigInt(step) * 1000n;
    rows.push(`steps,run=bench step=${step}i,episode=7i,reward=${Math.random()},flags=0i ${time}`);
  }
  return rows.join("\n");
}

/** Whether `influxd` is installed. */
export function hasInflux(): boolean {
  try {
    return new Deno.Command("influxd", { args: ["version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** Rows per second by its line protocol over HTTP, in requests of `rowsPerRequest`, acknowledged when in its WAL. */
export async function influxRowsPerSecond(
  box: TestBox,
  options: { rows: number; rowsPerRequest: number },
): Promise<number> {
  const folder = `${box.folder}/influx`;
  await Deno.mkdir(folder);
  const port = freePort();
  await Deno.writeTextFile(`${folder}/influx.conf`, configuration(folder, port, freePort()));
  const child = new Deno.Command("influxd", {
    args: ["run", "-config", `${folder}/influx.conf`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  box.onEnd(async () => {
    child.kill("SIGTERM");
    await Promise.race([child.status, sleep(STOP_MS_MAX).then(() => child.kill("SIGKILL"))]);
  });
  const origin = `http://127.0.0.1:${port}`;
  await waitFor("InfluxDB", () => fetch(`${origin}/ping`).then(({ ok }) => ok, () => false));
  const made = await fetch(`${origin}/query`, {
    method: "POST",
    body: new URLSearchParams({ q: `CREATE DATABASE ${DATABASE}` }),
  });
  await made.body?.cancel();
  // Made before the clock starts: what they cost is not InfluxDB's.
  const { rowsPerRequest } = options;
  const encoder = new TextEncoder();
  const bodies = Array.from(
    { length: Math.ceil(options.rows / rowsPerRequest) },
    (_, index) => encoder.encode(lines(index * rowsPerRequest, rowsPerRequest)),
  );
  const startedAtMs = performance.now();
  for (const body of bodies) {
    const answer = await fetch(`${origin}/write?db=${DATABASE}`, { method: "POST", body });
    if (answer.status !== 204) {
      throw new Error(`InfluxDB says ${answer.status}: ${await answer.text()}`);
    }
  }
  return bodies.length * rowsPerRequest * 1000 / (performance.now() - startedAtMs);
}
