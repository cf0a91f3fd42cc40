/** Connections cut in the middle of a message, again and again. */

import { databasePath, openReader } from "../../core/storage/open.ts";
import type { TestBox } from "../harness/box.ts";
import { Serve } from "../harness/serve.ts";
import { waitFor } from "../harness/wait.ts";
import { CuttingProxy } from "./cutting_proxy.ts";
import { integrityComplaints, storedSteps } from "./kills.ts";
import { complaints, Load, publisherCommand } from "./load.ts";

const CLIENTS = 2;
const ROWS_PER_SECOND = 20_000;
/** A message of 64 rows has about 2,200 bytes: a connection lives for some ten of them. */
const BYTES_BEFORE_CUT_MAX = 40_000;

export interface DisconnectReport {
  cuts: number;
  rowsAcknowledged: number;
  rowsStored: number;
  complaints: string[];
}

export async function tortureByDisconnects(
  box: TestBox,
  options: { cuts: number; seed: number; progress: (line: string) => void },
): Promise<DisconnectReport> {
  const serve = await Serve.start(box);
  const { grpcPort: port, token } = serve.ready;
  await using proxy = new CuttingProxy({
    port,
    bytesMax: BYTES_BEFORE_CUT_MAX,
    seed: options.seed,
  });
  const target = `127.0.0.1:${proxy.port}`;
  const loads = Array.from(
    { length: CLIENTS },
    (_, index) => {
      const runId = box.runId(`cuts-${index}`);
      const command = publisherCommand({ runId, target, token, rowsPerSecond: ROWS_PER_SECOND });
      return new Load({ box, runId, command });
    },
  );
  for (const load of loads) load.start();
  for (let cuts = 0; cuts < options.cuts;) {
    const seen = cuts;
    cuts = await waitFor("another cut", () => proxy.cuts > seen && proxy.cuts, () => proxy.cuts);
    if (Math.floor(cuts / 50) > Math.floor(seen / 50)) options.progress(`${cuts} connections cut`);
  }
  for (const load of loads) await load.kill();
  await serve.stop();

  using reader = openReader(databasePath(box.dataDir))!;
  const report: DisconnectReport = {
    cuts: proxy.cuts,
    rowsAcknowledged: 0,
    rowsStored: 0,
    complaints: integrityComplaints(box),
  };
  for (const load of loads) {
    const ledgers = load.ledgers();
    const steps = storedSteps(reader, load.runId);
    report.rowsAcknowledged += Number(load.safe);
    report.rowsStored += steps.length;
    report.complaints.push(...complaints(ledgers, steps).map((text) => `${load.runId}: ${text}`));
  }
  return report;
}
