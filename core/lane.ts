/** Which way the frames of a subscription come: raw, H.264 or JPEG. */

import type { PictureShape } from "../ffi/reader.ts";
import { type LaneChoice, type LaneKind, PixelFormat } from "../proto/wire.ts";

/** Up to so many pixels a picture goes raw: encoding it costs more than it saves. */
export const RAW_PIXELS_MAX = 256 * 256;

export interface LaneQuestion {
  /** What the viewer asked for. */
  choice: LaneChoice;
  /** What `--lane` says: stands for the viewer's `auto`. */
  serverChoice: LaneChoice;
  /** What the page can draw. */
  accepts: readonly LaneKind[];
  /** The run's newest frame. */
  shape: PictureShape;
  /** Lanes that this server cannot make for the run, and why. */
  failed: ReadonlyMap<LaneKind, string>;
}

export interface Lane {
  kind: LaneKind;
  /** For people. */
  why: string;
}

const NOT_ACCEPTED: Readonly<Record<LaneKind, string>> = {
  raw: "this page takes no raw frames",
  h264: "this page has no WebCodecs",
  jpeg: "this page takes no JPEG",
};

/** A forced lane that cannot be had falls back to the one that `auto` would take. */
export function chooseLane(question: LaneQuestion): Lane {
  const { choice, serverChoice } = question;
  const forced = choice === "auto" ? serverChoice : choice;
  if (forced === "auto") return chooseAuto(question);
  const obstacle = obstacleTo(forced, question);
  const by = choice === "auto" ? "forced by --lane" : "forced";
  if (obstacle === null) return { kind: forced, why: by };
  return { kind: chooseAuto(question).kind, why: `${forced} was ${by}, but ${obstacle}` };
}

function chooseAuto(question: LaneQuestion): Lane {
  const { order, why } = preference(question.shape);
  const obstacles: string[] = [];
  for (const kind of order) {
    const obstacle = obstacleTo(kind, question);
    if (obstacle === null) return { kind, why: obstacles.at(-1) ?? why };
    obstacles.push(obstacle);
  }
  return { kind: "raw", why: `as published: ${obstacles.join(", ")}` };
}

/** What suits the picture best, first. */
function preference({ width, height, format }: PictureShape): { order: LaneKind[]; why: string } {
  if (format === PixelFormat.H264) {
    return { order: ["h264", "jpeg"], why: "the run publishes H.264" };
  }
  if (format === PixelFormat.Jpeg) return { order: ["jpeg"], why: "the run publishes JPEG" };
  if (width * height <= RAW_PIXELS_MAX) {
    return { order: ["raw", "h264", "jpeg"], why: "a small picture" };
  }
  return { order: ["h264", "jpeg", "raw"], why: "a large picture" };
}

/** Why that lane cannot be had; null: it can. */
function obstacleTo(kind: LaneKind, { accepts, shape, failed }: LaneQuestion): string | null {
  if (shape.format === PixelFormat.H264 && kind === "raw") return "the run publishes H.264";
  if (shape.format === PixelFormat.Jpeg && kind !== "jpeg") return "the run publishes JPEG";
  if (!accepts.includes(kind)) return NOT_ACCEPTED[kind];
  return failed.get(kind) ?? null;
}
