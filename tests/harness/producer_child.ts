/** The process behind TestProducer: `producer_child.ts PLAN`, with a ProducerPlan as JSON. */

import { fileURLToPath } from "node:url";
import { Library } from "../../ffi/library.ts";
import type { ProducerFrame } from "../../ffi/producer.ts";
import { PixelFormat } from "../../proto/wire.ts";
import { encodeH264, isKeyframe } from "./ffmpeg.ts";
import { ENCODED_FRAMES, type ProducerPlan, type ProducerReport } from "./producer.ts";
import { cardPixels, cardStride } from "./test_card.ts";
import { videoCardRgb } from "./video_card.ts";
import { sleep } from "./wait.ts";

const PAYLOAD_BYTES_MAX = 1024 * 1024;
/** 1280 × 720 RGB fits. */
const VIDEO_BYTES_MAX = 3 * 1024 * 1024;
const GATE_MS = 20;

function report(line: ProducerReport): void {
  console.log(JSON.stringify(line));
}

/** What the plan says that frame `frame` shows. */
async function pictures({ card, video }: ProducerPlan): Promise<(frame: number) => ProducerFrame> {
  if (video === null) {
    const { width, height, format } = card;
    const stride = cardStride(card);
    return (frame) => ({ pixels: cardPixels(card, frame), width, height, format, stride });
  }
  if (!video.encoded) {
    const { resized } = video;
    const format = PixelFormat.Rgb8;
    return (frame) => {
      const size = resized !== null && frame >= resized.fromFrame ? resized : video;
      const { width, height } = size;
      const pixels = videoCardRgb({ width, height, scene: video.scene }, frame);
      return { pixels, width, height, format };
    };
  }
  const { width, height } = video;
  const frames = Array.from({ length: ENCODED_FRAMES }, (_, index) => index + 1);
  const units = await encodeH264(frames.map((frame) => videoCardRgb(video, frame)), video);
  return (frame) => {
    const pixels = units[(frame - 1) % units.length]!;
    return { pixels, width, height, format: PixelFormat.H264, keyframe: isKeyframe(pixels) };
  };
}

const plan: ProducerPlan = JSON.parse(Deno.args[0]!);
const { overlay } = plan;
const pictureOf = await pictures(plan);
using library = Library.open(
  fileURLToPath(new URL("../../native/build/libtelebridge.so", import.meta.url)),
);
const bytesMax = plan.video === null ? PAYLOAD_BYTES_MAX : VIDEO_BYTES_MAX;
using producer = library.openProducer(plan.run, bytesMax);
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
    ...pictureOf(frame),
    step: frame * 10,
    episode: 1 + Math.floor(frame / 100),
    reward: frame / 4,
    overlay: overlay && heat ? { heat, width: overlay.width, height: overlay.height } : undefined,
  });
  frame++;
}
