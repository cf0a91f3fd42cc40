/** A process with a SQLite store: for each line "FIRST COUNT" it commits these steps and prints what came of it. */

import { SqliteStore } from "../../core/storage/sqlite_store.ts";
import { StoreUnavailable } from "../../core/storage/store.ts";
import { LineReader } from "./line_reader.ts";
import { START_UNIX_NS, stepBatch, streamOf } from "./rows.ts";

const [path] = Deno.args;
const stream = streamOf("run");
using store = new SqliteStore(path!);
store.registerRun({ stream, startTimeUnixNs: START_UNIX_NS, tags: [], metadataJson: "" });
console.log("ready");
const lines = new LineReader(Deno.stdin.readable);
while (true) {
  const line = await lines.next("the test").catch(() => null);
  if (line === null) break;
  const [first, count] = line.split(" ").map(Number);
  try {
    const [result] = store.commit([stepBatch(stream, first!, count!)]);
    console.log(result!.outcome);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    console.log(`${error.why}: ${error.message}`);
  }
}
