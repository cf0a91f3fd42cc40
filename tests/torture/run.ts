/** `make torture`: the full torture, some minutes of it. */

import { parseArgs } from "node:util";
import { TestBox } from "../harness/box.ts";
import { installedPython } from "../harness/python.ts";
import { type AgentTortureReport, describeAgents, spread, tortureAgents } from "./agents.ts";
import { tortureByDisconnects } from "./disconnects.ts";
import { tortureByKills } from "./kills.ts";

const HELP = `make torture [ARGS="--only PART --kills N --cuts N --seed N --agents N --minutes N"]

rows: kills the ingest process, serve and clients at random moments under load, cuts connections,
and looks whether all that was acknowledged is stored once.
agents: renders in agents of 640 x 360 at 30 Hz under serve, kills one every 5 s, stops one, and
looks what the others lose against as long a time without.
Ends with code 1 if something is not as it must be.

  --only PART   rows or agents (both)
  --kills N     how often (200)
  --cuts N      connections cut (500)
  --seed N      of the moments (random; printed first)
  --agents N    how many (10)
  --minutes N   with kills, and as many before without (10)`;

/** What issue 6 promises of agents. */
const RESTART_MS_MAX = 1_000;
const HUNG_REPLACED_MS_MAX = 10_000;
const LOSS_MORE_MAX = 0.001;

interface Rows {
  kills: number;
  cuts: number;
  seed: number;
}

const progress = (line: string) => console.error(`  ${line}`);

/** Returns what is wrong. */
async function tortureRows({ kills: killsCount, cuts: cutsCount, seed }: Rows): Promise<string[]> {
  console.error(`seed ${seed}`);
  await using killsBox = await TestBox.create();
  const kills = await tortureByKills(killsBox, {
    kills: killsCount,
    seed,
    python: installedPython(),
    progress,
  });
  await using cutsBox = await TestBox.create();
  const cuts = await tortureByDisconnects(cutsBox, { cuts: cutsCount, seed, progress });
  const { ingest, serve, client } = kills.kills;
  console.log(`killed: ingest ${ingest}, serve ${serve}, clients ${client} times`);
  console.log(`rows acknowledged ${kills.rowsAcknowledged}, stored ${kills.rowsStored}`);
  console.log(`from kill to the next ack: ${spread(kills.recoveriesMs)}`);
  console.log(
    `cut: ${cuts.cuts} connections; rows acknowledged ${cuts.rowsAcknowledged}, stored ${cuts.rowsStored}`,
  );
  return [...kills.complaints, ...cuts.complaints];
}

async function tortureTheAgents(agents: number, minutes: number): Promise<string[]> {
  await using box = await TestBox.create();
  const seconds = 60 * minutes;
  const size = { agents, width: 640, height: 360 };
  const report = await tortureAgents(box, { ...size, quietSeconds: seconds, seconds, progress });
  for (const line of describeAgents(report)) console.log(line);
  return [...report.complaints, ...brokenPromises(report)];
}

function brokenPromises(report: AgentTortureReport): string[] {
  const slow = report.restartsMs.filter((ms) => ms > RESTART_MS_MAX).length;
  const isLate = report.hungReplacedMs > HUNG_REPLACED_MS_MAX;
  const isLost = report.lossTortured - report.lossQuiet > LOSS_MORE_MAX;
  return [
    ...(slow > 0 ? [`${slow} restarts took longer than ${RESTART_MS_MAX} ms`] : []),
    ...(isLate ? [`the hung agent was replaced only after ${HUNG_REPLACED_MS_MAX} ms`] : []),
    ...(isLost ? [`more than ${100 * LOSS_MORE_MAX} % of the other frames were lost`] : []),
  ];
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", short: "h", default: false },
      only: { type: "string" },
      kills: { type: "string", default: "200" },
      cuts: { type: "string", default: "500" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
      agents: { type: "string", default: "10" },
      minutes: { type: "string", default: "10" },
    },
  });
  if (values.help) {
    console.log(HELP);
    Deno.exit(0);
  }
  const { only } = values;
  const [kills, cuts, seed] = [values.kills, values.cuts, values.seed].map(Number);
  const rows = { kills: kills!, cuts: cuts!, seed: seed! };
  const complaints = [
    ...(only === "agents" ? [] : await tortureRows(rows)),
    ...(only === "rows"
      ? []
      : await tortureTheAgents(Number(values.agents), Number(values.minutes))),
  ];
  for (const complaint of complaints) console.log(`WRONG: ${complaint}`);
  console.log(complaints.length === 0 ? "all as it must be" : `${complaints.length} complaints`);
  if (complaints.length > 0) Deno.exitCode = 1;
}
