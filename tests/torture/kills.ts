/** kill -9 at random moments, of the ingest process, of `serve` and of clients, while clients publish. */

import { DatabaseSync } from "node:sqlite";
import { Serve } from "../harness/serve.ts";
import type { TestBox } from "../harness/box.ts";
import { randomOf } from "../harness/random.ts";
import { sleep, waitFor } from "../harness/wait.ts";
import { complaints, Load, publisherCommand, pythonCommand } from "./load.ts";
import { databasePath, openReader } from "../../core/storage/open.ts";
import type { StoreReader } from "../../core/storage/store.ts";

export const VICTIMS = ["ingest", "serve", "client"] as const;
type Victim = typeof VICTIMS[number];

const PUBLISHERS = 2;
const ROWS_PER_SECOND = 5_000;
const PYTHON_STEPS_PER_SECOND = 1_000;
/** What the last life of the Python worker logs. Its sender also sends what the lives before it left on disk. */
const LAST_STEPS = 10;
const BETWEEN_KILLS_MS_MAX = 400;
/** So often the next kill comes before the one before is healed. */
const UNHEALED_SHARE = 0.3;
const STEPS_A_PAGE = 100_000;

export interface TortureReport {
  kills: Record<Victim, number>;
  rowsAcknowledged: number;
  rowsStored: number;
  /** From a kill to the next acknowledgement of somebody, ms; of kills that were waited for. */
  recoveriesMs: number[];
  /** What is wrong; empty when all is well. */
  complaints: string[];
}

/** The process of `serve`'s that stores; null while there is none. */
export function ingestPid(servePid: number): number | null {
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(parent) !== servePid || state === "Z") continue;
      const words = Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0");
      if (words.includes("ingest")) return Number(name);
    } catch {
      // It has ended meanwhile.
    }
  }
  return null;
}

function spoolDir(box: TestBox): string {
  return `${box.folder}/spool`;
}

export async function tortureByKills(
  box: TestBox,
  options: { kills: number; seed: number; python: string; progress: (line: string) => void },
): Promise<TortureReport> {
  const random = randomOf(options.seed);
  const report: TortureReport = {
    kills: { ingest: 0, serve: 0, client: 0 },
    rowsAcknowledged: 0,
    rowsStored: 0,
    recoveriesMs: [],
    complaints: [],
  };
  let serve = await Serve.start(box);
  const target = `unix:${box.dataDir}/ingest.sock`;
  const publishers = Array.from({ length: PUBLISHERS }, (_, index) => {
    const runId = box.runId(`kills-${index}`);
    const command = publisherCommand({ runId, target, rowsPerSecond: ROWS_PER_SECOND });
    return new Load({ box, runId, command });
  });
  const pythonRunId = box.runId("kills-python");
  const { python } = options;
  const worker = { python, runId: pythonRunId, stepsPerSecond: PYTHON_STEPS_PER_SECOND };
  const pythonLoad = new Load({
    box,
    runId: pythonRunId,
    command: pythonCommand(worker),
    environment: { TELEBRIDGE_DATA_DIR: box.dataDir, TELEBRIDGE_SPOOL_DIR: spoolDir(box) },
  });
  const loads = [...publishers, pythonLoad];
  const acknowledged = () => publishers.reduce((sum, { safe }) => sum + safe, 0n);
  for (const load of loads) load.start();
  await waitFor("the first acknowledgement", () => acknowledged() > 0n);

  const killOnce: Record<Victim, () => Promise<boolean>> = {
    ingest: () => {
      const pid = ingestPid(serve.pid);
      if (pid === null) return Promise.resolve(false);
      Deno.kill(pid, "SIGKILL");
      return Promise.resolve(true);
    },
    serve: async () => {
      await serve.kill();
      serve = await Serve.start(box);
      return true;
    },
    client: async () => {
      const load = loads[Math.floor(random() * loads.length)]!;
      await load.kill();
      load.start();
      return true;
    },
  };
  let killed = 0;
  while (killed < options.kills) {
    await sleep(random() * BETWEEN_KILLS_MS_MAX);
    const victim = VICTIMS[Math.floor(random() * VICTIMS.length)]!;
    const killedAtMs = performance.now();
    if (!await killOnce[victim]()) continue;
    report.kills[victim]++;
    killed++;
    if (killed % 20 === 0) options.progress(`${killed} kills, ${acknowledged()} rows acknowledged`);
    if (random() < UNHEALED_SHARE) continue;
    const before = acknowledged();
    await waitFor(
      `an acknowledgement after kill ${killed}, of ${victim}`,
      () => acknowledged() > before,
    );
    if (victim !== "client") report.recoveriesMs.push(performance.now() - killedAtMs);
  }
  for (const load of loads) await load.kill();
  options.progress("Python workers that leave in good order, until nothing waits on disk");
  await waitFor("spools to be sent", async () => {
    pythonLoad.start(pythonCommand({ ...worker, last: LAST_STEPS }));
    const code = await pythonLoad.ended();
    if (code !== 0) throw new Error(`the last Python worker ended with ${code}`);
    return spooledStreams(box).length === 0;
  }, () => spooledStreams(box));
  await serve.stop();

  report.rowsAcknowledged = Number(acknowledged());
  using reader = openReader(databasePath(box.dataDir))!;
  for (const load of loads) {
    const steps = storedSteps(reader, load.runId);
    report.rowsStored += steps.length;
    report.complaints.push(
      ...complaints(load.ledgers(), steps).map((text) => `${load.runId}: ${text}`),
    );
  }
  report.complaints.push(...integrityComplaints(box));
  return report;
}

/** Streams of dead Python workers whose rows still wait on disk. */
function spooledStreams(box: TestBox): string[] {
  try {
    return [...Deno.readDirSync(spoolDir(box))].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** What SQLite itself finds wrong with the database. */
export function integrityComplaints(box: TestBox): string[] {
  using database = new DatabaseSync(`${box.dataDir}/telebridge.db`, { readOnly: true });
  return database.prepare("PRAGMA integrity_check").all()
    .map(({ integrity_check }) => String(integrity_check))
    .filter((line) => line !== "ok");
}

/** The step numbers of all stored rows of a run. */
export function storedSteps(reader: StoreReader, runId: string): BigUint64Array {
  const pages: bigint[] = [];
  let after: string | null = null;
  while (true) {
    const { rows, next } = reader.steps(runId, {}, after, STEPS_A_PAGE);
    for (const step of rows.step) pages.push(step);
    if (next === null) return BigUint64Array.from(pages);
    after = next;
  }
}
