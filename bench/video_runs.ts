/** Runs for the video lane's benchmarks, and what their frames cost without us. */

import { LineReader } from "../tests/harness/line_reader.ts";
import { ROOT, type TestBox } from "../tests/harness/box.ts";

/** Built by `make -C native bench-programs`. */
export const PROGRAMS = `${ROOT}native/build/bench`;

export interface CardsRun {
  width: number;
  height: number;
  framesPerSecond: number;
  /** A file of access units that {@link bareEncode} wrote: the run then publishes H.264 itself. */
  unitsPath?: string;
}

export interface StartedCards extends CardsRun {
  runId: string;
  /** p50 of a bare copy of one of its frames, ms. */
  memcpyMs: number;
}

/** Starts a worker that publishes drawn pictures (RGBA) or access units; it ends with the box, or when disposed. */
export async function startCards(
  box: TestBox,
  cards: CardsRun,
): Promise<StartedCards & AsyncDisposable> {
  const runId = box.runId("bench");
  const { width, height, framesPerSecond, unitsPath } = cards;
  const child = new Deno.Command(`${PROGRAMS}/publish_cards`, {
    args: [runId, width, height, framesPerSecond, ...(unitsPath === undefined ? [] : [unitsPath])]
      .map(String),
    env: box.environment,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let ended = false;
  const end = async () => {
    if (!ended) child.kill("SIGTERM");
    ended = true;
    await child.status;
  };
  box.onEnd(end);
  const { memcpyUs } = JSON.parse(await new LineReader(child.stdout).next("publish_cards"));
  return { ...cards, runId, memcpyMs: memcpyUs / 1000, [Symbol.asyncDispose]: end };
}

interface StageFigures {
  p50Ms: number;
  p99Ms: number;
}

/** The stages of a frame's way, measured alone. */
export interface BareFigures {
  encoder: string;
  bytesPerPacket: number;
  /** The worker's stamp on the frame to a woken reader; the worker's copy into the ring is in it. */
  wake: StageFigures;
  convert: StageFigures;
  encode: StageFigures;
  /** Of convert and encode. */
  sum: StageFigures;
}

/** Converts and encodes the run's frames with nothing around it. Nobody else may control the run meanwhile. */
export async function bareEncode(
  box: TestBox,
  { runId }: StartedCards,
  encoder: string,
  framesCount: number,
  unitsPath?: string,
): Promise<BareFigures> {
  const { success, stdout } = await new Deno.Command(`${PROGRAMS}/bare_encode`, {
    args: [runId, encoder, String(framesCount), ...(unitsPath === undefined ? [] : [unitsPath])],
    env: box.environment,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`bare_encode ${runId} ${encoder} failed`);
  const printed = JSON.parse(new TextDecoder().decode(stdout));
  const inMs = ({ p50Us, p99Us }: { p50Us: number; p99Us: number }) => ({
    p50Ms: p50Us / 1000,
    p99Ms: p99Us / 1000,
  });
  return {
    encoder: printed.encoder,
    bytesPerPacket: printed.bytesPerPacket,
    wake: inMs(printed.wake),
    convert: inMs(printed.convert),
    encode: inMs(printed.encode),
    sum: inMs(printed.sum),
  };
}

/** Access units of a file that {@link bareEncode} wrote. */
export function parseUnits(file: Uint8Array): { bytes: Uint8Array; keyframe: boolean }[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const units = [];
  for (let at = 0; at < file.byteLength;) {
    const bytesCount = view.getUint32(at, true);
    const keyframe = view.getUint32(at + 4, true) !== 0;
    units.push({ bytes: file.subarray(at + 8, at + 8 + bytesCount), keyframe });
    at += 8 + bytesCount;
  }
  return units;
}
