/**
 * Commits to a store on its own in a process in which writes fail (io_faults.c): `fault_child.ts DATA_DIR`. For each line
 * on standard input, "N COUNT", it commits COUNT steps from sequence N on and tidies up, or, "sync", it syncs all of them,
 * and prints what became of that as JSON. In every idle moment it makes a checkpoint.
 */

import { databasePath } from "../../core/storage/open.ts";
import type { RowBatch, StepColumns, StreamKey } from "../../core/storage/records.ts";
import { SqliteStore } from "../../core/storage/sqlite_store.ts";
import { StoreUnavailable } from "../../core/storage/store.ts";

const stream: StreamKey = { runId: "faulty", streamId: "00".repeat(16) };

function batchOf(first: bigint, count: number): RowBatch {
  const rows: StepColumns = {
    step: BigUint64Array.from({ length: count }, (_, index) => first + BigInt(index)),
    timeUnixNs: new BigInt64Array(count).fill(1n),
    episode: new BigUint64Array(count),
    reward: new Float64Array(count),
    flags: new Uint8Array(count),
    extraJson: null,
  };
  return { kind: "steps", stream, firstSequence: first, count, rows };
}

if (import.meta.main) {
  using store = new SqliteStore(databasePath(Deno.args[0]!), { wal: { checkpointBytes: 1 } });
  store.registerRun({ stream, startTimeUnixNs: 1n, tags: [], metadataJson: "" });
  console.log(JSON.stringify({ ready: true }));
  const decoder = new TextDecoder();
  for await (const bytes of Deno.stdin.readable) {
    const [first, count] = decoder.decode(bytes).trim().split(" ");
    try {
      if (first === "sync") {
        await store.sync();
        console.log(JSON.stringify({ outcome: "synced" }));
        continue;
      }
      const [result] = store.commit([batchOf(BigInt(first!), Number(count))]);
      while (store.idle());
      console.log(JSON.stringify({ outcome: result!.outcome }));
    } catch (error) {
      const why = error instanceof StoreUnavailable ? error.why : String(error);
      console.log(JSON.stringify({ unavailable: why }));
    }
  }
}
