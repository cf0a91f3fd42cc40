import assert from "node:assert/strict";
import { chooseLane, type LaneQuestion } from "../../core/lane.ts";
import { type LaneKind, PixelFormat } from "../../proto/wire.ts";

const RGB = PixelFormat.Rgb8;
const ALL: LaneKind[] = ["raw", "h264", "jpeg"];
const NO_CODECS: LaneKind[] = ["raw", "jpeg"];

function question(change: Partial<LaneQuestion> & { format?: number; side?: number }) {
  const { format = RGB, side = 512, ...rest } = change;
  const shape = { width: side, height: side, format };
  const base = { choice: "auto", serverChoice: "auto", accepts: ALL } as const;
  return { ...base, shape, failed: new Map(), ...rest };
}

const FAILED = new Map<LaneKind, string>([["h264", "every encoder failed"]]);

const table: [string, Parameters<typeof question>[0], LaneKind, RegExp][] = [
  ["up to 256 × 256 goes raw", { side: 256 }, "raw", /small/],
  ["one pixel more is encoded", { side: 257 }, "h264", /large/],
  ["a page without WebCodecs gets JPEG", { accepts: NO_CODECS }, "jpeg", /no WebCodecs/],
  ["one that takes nothing else gets raw", { accepts: ["raw"] }, "raw", /no JPEG/],
  ["H.264 of the run's own", { format: PixelFormat.H264, side: 64 }, "h264", /publishes H\.264/],
  [
    "the same without WebCodecs",
    { format: PixelFormat.H264, accepts: NO_CODECS },
    "jpeg",
    /WebCodecs/,
  ],
  ["JPEG of the run's own", { format: PixelFormat.Jpeg, side: 64 }, "jpeg", /publishes JPEG/],
  [
    "frames as published for who can nothing",
    {
      format: PixelFormat.Jpeg,
      accepts: ["raw"],
    },
    "raw",
    /as published/,
  ],
  ["a forced lane", { choice: "jpeg" }, "jpeg", /^forced$/],
  ["raw forced for a large picture", { choice: "raw" }, "raw", /^forced$/],
  ["h264 forced for a small one", { choice: "h264", side: 16 }, "h264", /^forced$/],
  [
    "forced, but the page cannot",
    { choice: "h264", accepts: NO_CODECS },
    "jpeg",
    /but this page has/,
  ],
  [
    "forced, but the run cannot",
    { choice: "raw", format: PixelFormat.H264 },
    "h264",
    /but the run/,
  ],
  ["--lane stands for auto", { serverChoice: "jpeg" }, "jpeg", /--lane/],
  [
    "and a viewer's own choice goes before it",
    {
      serverChoice: "jpeg",
      choice: "raw",
    },
    "raw",
    /^forced$/,
  ],
  ["no encoder", { failed: FAILED }, "jpeg", /every encoder failed/],
  [
    "no encoder and no JPEG",
    {
      failed: new Map([...FAILED, ["jpeg", "no memory"]]),
    },
    "raw",
    /no memory/,
  ],
];

for (const [what, change, kind, why] of table) {
  Deno.test(`lane: ${what}`, () => {
    const lane = chooseLane(question(change));
    assert.equal(lane.kind, kind);
    assert.match(lane.why, why);
  });
}
