/** ffmpeg's own way from RGBA to H.264 by libx264, beside ours on the same frames. */

import { TestBox } from "../tests/harness/box.ts";
import type { Bench, BenchOptions, Row } from "./report.ts";
import { bareEncode, PROGRAMS, startCards } from "./video_runs.ts";

const SIZES = [{ width: 640, height: 360 }, { width: 1280, height: 720 }];
const FRAMES_PER_SECOND = 60;
/** Of draw_cards. */
const CARDS_COUNT = 48;

/** Draws the frames that startCards publishes into a file of raw RGBA. */
async function drawCards(path: string, width: number, height: number): Promise<void> {
  await using file = await Deno.open(path, { create: true, write: true });
  const child = new Deno.Command(`${PROGRAMS}/draw_cards`, {
    args: [String(width), String(height)],
    stdout: "piped",
  }).spawn();
  await child.stdout.pipeTo(file.writable);
  if (!(await child.status).success) throw new Error("draw_cards failed");
}

/** Wall time of each frame, ms, with the settings of our encoder. */
async function ffmpegMs(path: string, width: number, height: number, kbps: number, loops: number) {
  const args = ["-v", "error", "-nostdin", "-stream_loop", String(loops - 1)];
  args.push("-f", "rawvideo", "-pix_fmt", "rgba", "-s", `${width}x${height}`);
  args.push("-r", String(FRAMES_PER_SECOND), "-i", path, "-pix_fmt", "yuv420p", "-c:v", "libx264");
  args.push("-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline", "-bf", "0");
  args.push("-b:v", `${kbps}k`, "-maxrate", `${kbps}k`, "-bufsize", `${kbps / FRAMES_PER_SECOND}k`);
  args.push("-threads", height < 720 ? "1" : "2", "-f", "null", "-");
  const startedAtMs = performance.now();
  const { success } = await new Deno.Command("ffmpeg", { args, stderr: "inherit" }).output();
  if (!success) throw new Error("ffmpeg failed");
  return (performance.now() - startedAtMs) / (loops * CARDS_COUNT);
}

async function measure({ smoke, progress }: BenchOptions): Promise<Row[]> {
  await using box = await TestBox.create();
  const rows: Row[] = [];
  for (const { width, height } of SIZES) {
    progress(`${width}×${height}`);
    const path = `${box.folder}/cards.rgba`;
    await drawCards(path, width, height);
    await using cards = await startCards(box, {
      width,
      height,
      framesPerSecond: FRAMES_PER_SECOND,
    });
    const figures = await bareEncode(box, cards, "x264", smoke ? 20 : 600);
    const kbps = figures.bytesPerPacket * 8 * FRAMES_PER_SECOND / 1000;
    const peerMs = await ffmpegMs(path, width, height, Math.round(kbps), smoke ? 1 : 10);
    const ourMs = figures.sum.p50Ms;
    rows.push({
      what: `RGBA to access unit, ${width}×${height}, x264 ultrafast at ${Math.round(kbps)} kbit/s`,
      measured: `libyuv and encoder p50 ${ourMs.toFixed(2)} ms, frame by frame at 60 Hz`,
      against: `ffmpeg's swscale and libx264, as fast as it goes: ${
        peerMs.toFixed(2)
      } ms a frame: ${(ourMs / peerMs).toFixed(2)}×`,
      limit: "",
      met: null,
    });
  }
  return rows;
}

export const videoPeerBench: Bench = {
  name: "video-peer",
  title: "ffmpeg beside our encoders",
  run: measure,
};
