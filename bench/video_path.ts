/** From publish to handed to the transport, beside a bare copy, libyuv and the encoder on the same frames. */

import { TestBox } from "../tests/harness/box.ts";
import { LiveClient } from "../tests/harness/live_client.ts";
import { Serve } from "../tests/harness/serve.ts";
import { type Bench, type BenchOptions, percentiles, type Row } from "./report.ts";
import { bareEncode, type BareFigures, startCards, type StartedCards } from "./video_runs.ts";

const RATIO_MAX = 1.10;
const SIZES = [{ width: 854, height: 480 }, { width: 1280, height: 720 }];
const ENCODERS = ["x264", "openh264"];
/** The first frames find cold caches and an encoder that has just begun. */
const FRAMES_WARM = 30;

const ms = (value: number) => `${value.toFixed(2)} ms`;

/** Worker's stamp to the moment when the packet was given to the transport, ms, of `framesCount` frames. */
async function watch(
  box: TestBox,
  encoder: string,
  runId: string,
  framesCount: number,
): Promise<number[]> {
  const serve = await Serve.start(box, { args: [`--encoder=${encoder}`, "--log-level=error"] });
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, runId, { lane: "h264", accepts: ["h264"] });
  await client.framesCount(FRAMES_WARM + framesCount);
  client.close();
  await serve.stop();
  return client.frames.slice(FRAMES_WARM).map(({ header }) =>
    Number(header.tSentNs - header.tMonoNs) / 1e6
  );
}

function row(cards: StartedCards, bares: BareFigures[], pathMs: number[]): Row {
  const { width, height, framesPerSecond, memcpyMs } = cards;
  const { p50, p99 } = percentiles(pathMs);
  const mean = (of: (bare: BareFigures) => number) =>
    bares.reduce((sum, bare) => sum + of(bare), 0) / bares.length;
  const bareMs = memcpyMs + mean(({ sum }) => sum.p50Ms);
  const ratio = p50 / bareMs;
  return {
    what: `publish to handed to transport, ${width}×${height} at ${framesPerSecond} Hz, ${
      bares[0]!.encoder
    }`,
    measured: `p50 ${ms(p50)}, p99 ${ms(p99)}`,
    against: `memcpy ${ms(memcpyMs)} + libyuv ${
      ms(mean(({ convert }) => convert.p50Ms))
    } + encoder ${ms(mean(({ encode }) => encode.p50Ms))}: ${ratio.toFixed(2)}×`,
    limit: `p50 ≤ ${RATIO_MAX.toFixed(2)}×`,
    met: ratio <= RATIO_MAX,
  };
}

async function measure({ smoke, progress }: BenchOptions): Promise<Row[]> {
  await using box = await TestBox.create();
  const framesCount = smoke ? 20 : 900;
  const rows: Row[] = [];
  for (const size of SIZES) {
    await using cards = await startCards(box, { ...size, framesPerSecond: 60 });
    for (const encoder of ENCODERS) {
      progress(`${size.width}×${size.height}, ${encoder}`);
      // Before and after: an encoder's own time wavers by a tenth from minute to minute.
      const before = await bareEncode(box, cards, encoder, framesCount);
      const pathMs = await watch(box, encoder, cards.runId, framesCount);
      const after = await bareEncode(box, cards, encoder, framesCount);
      rows.push(row(cards, [before, after], pathMs));
    }
  }
  return rows;
}

export const videoPathBench: Bench = {
  name: "video-path",
  title: "Publish to packet",
  run: measure,
};
