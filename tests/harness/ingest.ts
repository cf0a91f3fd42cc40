/** A real ingest process with its supervisor, in the test's hands: what `serve` asks of workers, a test asks here. */

import { locateAssets } from "../../core/assets.ts";
import { IngestSupervisor } from "../../core/durable/supervisor.ts";
import { ROOT, type TestBox } from "./box.ts";

/** Its database, and where clients of the same user find it, are in the box. */
export async function startIngest(box: TestBox) {
  const token = "c".repeat(43);
  const lane = IngestSupervisor.start({
    command: [Deno.execPath(), "run", "--allow-all", "--quiet", `${ROOT}main.ts`, "ingest"],
    start: {
      dataDir: box.dataDir,
      socketPath: `${box.dataDir}/ingest.sock`,
      port: 0,
      remote: null,
      controlToken: token,
      viewToken: null,
      libraryPath: locateAssets().libraryPath,
      batchRecords: 128,
      batchMs: 50,
      logLevel: "warning",
    },
  });
  box.onEnd(() => lane.stop());
  await lane.firstAnswer;
  return { lane, token };
}
