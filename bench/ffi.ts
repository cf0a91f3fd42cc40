/**
 * The ladder of one publication and one read: copying the bytes in JavaScript, the bare FFI call, the class.
 * Plain C stands in the native benchmark's table.
 */

import { locateAssets } from "../core/assets.ts";
import { Library } from "../ffi/library.ts";
import { ReadMode } from "../ffi/reader.ts";
import { symbols } from "../ffi/symbols.ts";
import { FRAME_HEADER_BYTES, PixelFormat } from "../proto/wire.ts";
import { type Bench, type BenchOptions, percentiles, type Row } from "./report.ts";

const SIZES = [
  { width: 84, height: 84, channels: 3, rounds: 400 },
  { width: 160, height: 160, channels: 3, rounds: 400 },
  { width: 1280, height: 720, channels: 4, rounds: 40 },
] as const;

/** Calls timed together, so that the clock's own cost and resolution do not show. */
const CALLS_PER_ROUND = 16;

/** Nanoseconds per call: the median of many rounds of {@link CALLS_PER_ROUND}. */
function medianNs(clockNs: () => bigint, rounds: number, call: (index: number) => void): number {
  const samples = new Float64Array(rounds);
  for (let round = 0; round < rounds; round++) {
    const startNs = clockNs();
    for (let index = 0; index < CALLS_PER_ROUND; index++) call(index);
    samples[round] = Number(clockNs() - startNs) / CALLS_PER_ROUND;
  }
  return percentiles(samples).p50;
}

const microseconds = (ns: number) => `${(ns / 1000).toFixed(2)} µs`;

function measure(library: Library, { smoke }: BenchOptions): Row[] {
  const clockNs = () => library.clockMonoNs();
  const rows: Row[] = [];
  const bare = Deno.dlopen(locateAssets().libraryPath, {
    tele_clock_mono_ns: symbols.tele_clock_mono_ns,
  });
  const clockCallNs = medianNs(clockNs, 200, () => bare.symbols.tele_clock_mono_ns());
  bare.close();
  rows.push({
    what: "one FFI call (`tele_clock_mono_ns`)",
    measured: `${clockCallNs.toFixed(0)} ns`,
    against: "the clock read in C is in it",
    limit: "",
    met: null,
  });
  for (const size of SIZES) {
    const bytes = size.width * size.height * size.channels;
    const rounds = smoke ? 3 : size.rounds;
    const pixels = new Uint8Array(bytes).fill(7);
    const kept = Array.from({ length: CALLS_PER_ROUND }, () => new Uint8Array(bytes));
    const runId = `bench-ffi-${Deno.pid}-${bytes}`;
    using producer = library.openProducer(runId, bytes, CALLS_PER_ROUND);
    using reader = library.openReader(runId);
    const format = size.channels === 3 ? PixelFormat.Rgb8 : PixelFormat.Rgba8;
    const frame = { pixels, width: size.width, height: size.height, format };
    const message = new Uint8Array(FRAME_HEADER_BYTES + bytes);
    const copy = (index: number) => kept[index]!.set(pixels);
    medianNs(clockNs, 2, copy);
    const copyNs = medianNs(clockNs, rounds, copy);
    const publishNs = medianNs(clockNs, rounds, () => producer.publish(frame));
    const readNs = medianNs(clockNs, rounds, () => {
      if (reader.read(0, ReadMode.Newest, message) !== "frame") throw new Error("no frame to read");
    });
    const name = `${size.width}×${size.height}×${size.channels}`;
    for (const [what, ns] of [["publish", publishNs], ["read", readNs]] as const) {
      rows.push({
        what: `${what} ${name} through the class`,
        measured: microseconds(ns),
        against: `the same bytes by \`Uint8Array.set\`: ${microseconds(copyNs)}, ` +
          `${(ns / copyNs).toFixed(2)}×`,
        limit: "",
        met: null,
      });
    }
  }
  return rows;
}

export const ffiBench: Bench = {
  name: "ffi",
  title: "Through the FFI: publish and read from TypeScript",
  run(options) {
    using library = Library.open(locateAssets().libraryPath);
    return Promise.resolve(measure(library, options));
  },
};
