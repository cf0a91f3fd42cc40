/** The process behind TestProducer: `producer_child.ts PLAN`, with a ProducerPlan as JSON. */

import { fileURLToPath } from "node:url";
import { Library } from "../../ffi/library.ts";
import type { ProducerPlan, ProducerReport } from "./producer.ts";
import { cardPixels, cardStride } from "./test_card.ts";
import { sleep } from "./wait.ts";

const PAYLOAD_BYTES_MAX = 1024 * 1024;
const GATE_MS = 20;

function report(line: ProducerReport): void {
  console.log(JSON.stringify(line));
}

const plan: ProducerPlan = JSON.parse(Deno.args[0]!);
const { card, overlay } = plan;
using library = Library.open(
  fileURLToPath(new URL("../../native/build/libtelebridge.so", import.meta.url)),
);
using producer = library.openProducer(plan.run, PAYLOAD_BYTES_MAX);
let stopped = false;
Deno.addSignalListener("SIGTERM", () => stopped = true);
if (plan.hud !== null) producer.setHud({ ...plan.hud, loss: plan.hud.loss ?? NaN });
report({ kind: "ready" });

const periodMs = 1000 / plan.framesPerSecond;
const heat = overlay && new Uint8Array(overlay.width * overlay.height).fill(overlay.heat);
let dueAtMs = performance.now();
for (let frame = 1; !stopped;) {
  for (let input = producer.nextInput(); input !== null; input = producer.nextInput()) {
    const { tNs: _, ...event } = input;
    report({ kind: "input", input: event });
  }
  dueAtMs = Math.max(dueAtMs + periodMs, performance.now());
  await sleep(Math.max(0, dueAtMs - performance.now()));
  if (plan.gated && !producer.gate(GATE_MS)) continue;
  producer.publish({
    pixels: cardPixels(card, frame),
    width: card.width,
    height: card.height,
    format: card.format,
    stride: cardStride(card),
    step: frame * 10,
    episode: 1 + Math.floor(frame / 100),
    reward: frame / 4,
    overlay: overlay && heat ? { heat, width: overlay.width, height: overlay.height } : undefined,
  });
  frame++;
}
