/**
 * A client that publishes steps and writes down what was acknowledged, in a process of its own: to be killed and cut off.
 *
 *     publisher.ts --target ADDRESS --run ID --ledger FILE --base N [--token T] [--rows-per-second N]
 *
 * The step numbers are base + 1, base + 2, … and so equal base + sequence. The ledger is the committed sequence as last
 * acknowledged, u64 little-endian; what stands there survives the process.
 */

import { parseArgs } from "node:util";
import { randomHex } from "../../core/random.ts";
import type { PublishAck } from "../../proto/gen/telebridge/v1/publish_pb.ts";
import { grpcClient, StepCall } from "../harness/step_call.ts";
import { sleep } from "../harness/wait.ts";

const ROWS_A_MESSAGE = 64;
const RETRY_MS = 20;
const LEDGER_BYTES = 8;
const STREAM_ID_BYTES = 16;

function writeLedger(ledger: Deno.FsFile, ack: PublishAck): void {
  const entry = new DataView(new ArrayBuffer(LEDGER_BYTES));
  entry.setBigUint64(0, ack.committedSequence, true);
  ledger.seekSync(0, Deno.SeekMode.Start);
  ledger.writeSync(new Uint8Array(entry.buffer));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      target: { type: "string" },
      run: { type: "string" },
      ledger: { type: "string" },
      base: { type: "string", default: "0" },
      token: { type: "string" },
      "rows-per-second": { type: "string", default: "20000" },
    },
  });
  const ledger = Deno.openSync(values.ledger!, { create: true, write: true });
  const client = grpcClient(values.target!);
  const streamId = Uint8Array.fromHex(randomHex(STREAM_ID_BYTES));
  const pauseMs = ROWS_A_MESSAGE * 1000 / Number(values["rows-per-second"]);
  while (true) {
    const call = new StepCall(client, {
      runId: values.run!,
      streamId,
      token: values.token ?? null,
      base: BigInt(values.base),
      onAck: (ack) => writeLedger(ledger, ack),
    });
    let next: bigint | null = null;
    while (!call.over) {
      const { ack } = call;
      if (ack !== null) {
        // The call's first ack tells where to go on.
        next ??= ack.committedSequence + 1n;
        if (next <= ack.committedSequence + BigInt(ack.credits)) {
          call.write(next, ROWS_A_MESSAGE);
          next += BigInt(ROWS_A_MESSAGE);
        }
      }
      await sleep(pauseMs);
    }
    console.error(`publisher: ${await call.ended}`);
    await sleep(RETRY_MS);
  }
}
