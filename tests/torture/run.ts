/** `make torture`: the full torture, some minutes of it. */

import { parseArgs } from "node:util";
import { TestBox } from "../harness/box.ts";
import { installedPython } from "../harness/python.ts";
import { tortureByDisconnects } from "./disconnects.ts";
import { tortureByKills } from "./kills.ts";

const HELP = `make torture [ARGS="--kills N --cuts N --seed N"]

Kills the ingest process, serve and clients at random moments under load, cuts connections, and
looks whether all that was acknowledged is stored once. Ends with code 1 if not.

  --kills N   how often (200)
  --cuts N    connections cut (500)
  --seed N    of the moments (random; printed first)`;

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", short: "h", default: false },
      kills: { type: "string", default: "200" },
      cuts: { type: "string", default: "500" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    },
  });
  if (values.help) {
    console.log(HELP);
    Deno.exit(0);
  }
  const seed = Number(values.seed);
  const progress = (line: string) => console.error(`  ${line}`);
  console.error(`seed ${seed}`);
  await using killsBox = await TestBox.create();
  const kills = await tortureByKills(killsBox, {
    kills: Number(values.kills),
    seed,
    python: installedPython(),
    progress,
  });
  await using cutsBox = await TestBox.create();
  const cuts = await tortureByDisconnects(cutsBox, { cuts: Number(values.cuts), seed, progress });

  const recoveries = kills.recoveriesMs.toSorted((a, b) => a - b);
  const at = (share: number) =>
    Math.round(recoveries[Math.floor(share * (recoveries.length - 1))] ?? 0);
  const { ingest, serve, client } = kills.kills;
  console.log(`killed: ingest ${ingest}, serve ${serve}, clients ${client} times`);
  console.log(`rows acknowledged ${kills.rowsAcknowledged}, stored ${kills.rowsStored}`);
  console.log(`from kill to the next ack: p50 ${at(0.5)} ms, most ${at(1)} ms`);
  console.log(
    `cut: ${cuts.cuts} connections; rows acknowledged ${cuts.rowsAcknowledged}, stored ${cuts.rowsStored}`,
  );
  const complaints = [...kills.complaints, ...cuts.complaints];
  for (const complaint of complaints) console.log(`WRONG: ${complaint}`);
  console.log(
    complaints.length === 0 ? "nothing lost, nothing twice" : `${complaints.length} complaints`,
  );
  if (complaints.length > 0) Deno.exitCode = 1;
}
