/**
 * Screens, cameras and pipelines: which program captures and encodes them, GStreamer or FFmpeg, and why that one.
 *
 * Both write to stdout what the pump takes. FFmpeg writes MPEG-TS, which tells where each picture ends; GStreamer needs
 * no muxer for that, since it writes each picture at once.
 */

import type { EncoderChoice } from "../encoders.ts";
import { UserError } from "../errors.ts";
import type { AgentConfig } from "./config.ts";
import { ffmpegCommand, ffmpegEncoders } from "./ffmpeg.ts";
import { gstCommand, gstElements, gstEncoders } from "./gstreamer.ts";
import type { Tried } from "./capture_tools.ts";
import type { Placement } from "./plan.ts";
import type { SourceCommand, SourceTools } from "./sources.ts";

/** What is captured and how it is encoded, with all that was left open decided. */
export interface Capture {
  /** X display; null: that of $DISPLAY. */
  display: string | null;
  /** There is a display to capture. */
  hasDisplay: boolean;
  pipeline: string | null;
  input: readonly string[] | null;
  /** Render node, for VA-API. */
  device: string | null;
  /** Of the pictures; null: as they come. */
  width: number | null;
  height: number | null;
  /** Of the screen, where we make it. */
  screen: string | null;
  fps: number;
  bitrateKbps: number;
  gopFrames: number;
  encoder: EncoderChoice;
}

/** One of several programs or encoders, tried in their order. */
export interface Candidate<T> {
  name: string;
  value: T;
  test: () => Promise<Tried>;
}

const FPS = 30;
/** A foreign program gives no keyframe when one is asked for: who comes waits as long as this. */
const GOP_SECONDS = 1;
/** As for what we encode ourselves (encoder_default_kbps in native/src/encoder_candidates.c). */
const BITRATE = { kbps: 7000, pixelsPerSecond: 1280 * 720 * 60, exponent: 0.75, minKbps: 300 };
const PIXELS_ASSUMED = 1280 * 720;

type Backend = (capture: Capture, tools: SourceTools) => Promise<SourceCommand>;

/** Throws {@link UserError} where none of them can. */
export async function captureCommand(
  config: AgentConfig,
  placement: Pick<Placement, "encoder">,
  tools: SourceTools,
): Promise<SourceCommand> {
  const { name, source } = config;
  const capture = captureOf(config, placement, tools.environment);
  const backends: Record<string, readonly [name: string, Backend][]> = {
    gst: [["GStreamer", byGst]],
    ffmpeg: [["FFmpeg", byFfmpeg]],
    x11grab: [["FFmpeg", byFfmpeg]],
    vaapi: [["FFmpeg", byVaapi]],
    auto: [["GStreamer", byGst], ["FFmpeg", byFfmpeg]],
  };
  const passed: string[] = [];
  for (const [backend, make] of backends[source.kind]!) {
    try {
      const { command, why } = await make(capture, tools);
      return { command, why: [...passed, why].join("; ") };
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      passed.push(`not ${backend}: ${error.message}`);
    }
  }
  throw new UserError(
    `agent "${name}": source "${source.kind}" cannot be had: ${passed.join("; ")}`,
  );
}

/** Why a program is passed over. */
class Unusable extends Error {}

function captureOf(
  config: AgentConfig,
  { encoder }: Pick<Placement, "encoder">,
  environment: Readonly<Record<string, string>>,
): Capture {
  const { source, width, height } = config;
  const fps = config.fps ?? FPS;
  const [screenWidth = 0, screenHeight = 0] = source.xvfb?.split("x").map(Number) ?? [];
  const pixels = (width ?? screenWidth) * (height ?? screenHeight) || PIXELS_ASSUMED;
  const display = config.env.DISPLAY ?? environment.DISPLAY ?? "";
  return {
    display: source.display,
    hasDisplay: source.xvfb !== null || source.display !== null || display !== "",
    pipeline: source.pipeline,
    input: source.input,
    device: source.device,
    screen: source.xvfb,
    ...{ width, height, fps, encoder },
    bitrateKbps: config.bitrateKbps ?? defaultKbps(pixels * fps),
    gopFrames: Math.max(1, Math.round((config.gopSeconds ?? GOP_SECONDS) * fps)),
  };
}

function defaultKbps(pixelsPerSecond: number): number {
  const share = (pixelsPerSecond / BITRATE.pixelsPerSecond) ** BITRATE.exponent;
  return Math.max(BITRATE.minKbps, Math.round(BITRATE.kbps * share));
}

const NOTHING_TO_CAPTURE =
  'there is no display: set xvfb = "1280x720" for one of its own, display = ":1" for another';

async function byGst(capture: Capture, { captures }: SourceTools): Promise<SourceCommand> {
  if (capture.input !== null) throw new Unusable("input is for FFmpeg, pipeline for GStreamer");
  const source = capture.pipeline ?? (capture.hasDisplay ? null : "pipewiresrc");
  for (const element of [...gstElements(source ?? "ximagesrc"), "videoconvert", "fdsink"]) {
    const { works, why } = await captures.gstHas(element);
    if (!works) {
      throw new Unusable(source === "pipewiresrc" ? `${NOTHING_TO_CAPTURE}; ${why}` : why);
    }
  }
  const encoder = await firstWorking(gstEncoders(capture, captures));
  return {
    command: gstCommand(capture, source, encoder.value),
    why: `GStreamer with ${encoder.name}${encoder.passed}`,
  };
}

async function byFfmpeg(capture: Capture, { captures }: SourceTools): Promise<SourceCommand> {
  return await viaFfmpeg(capture, captures, await renderNode(capture.device));
}

async function byVaapi(capture: Capture, { captures }: SourceTools): Promise<SourceCommand> {
  const node = await renderNode(capture.device);
  if (node === null) throw new Unusable("/dev/dri has no render node here");
  return await viaFfmpeg(capture, captures, node, ["h264_vaapi"]);
}

async function viaFfmpeg(
  capture: Capture,
  captures: SourceTools["captures"],
  node: string | null,
  only?: readonly string[],
): Promise<SourceCommand> {
  if (capture.pipeline !== null) throw new Unusable("pipeline is for GStreamer, input for FFmpeg");
  if (capture.input === null) {
    if (!capture.hasDisplay) throw new Unusable(NOTHING_TO_CAPTURE);
    const { works, why } = await captures.ffmpegReads("x11grab");
    if (!works) throw new Unusable(why);
  }
  const candidates = ffmpegEncoders(capture, captures, node)
    .filter(({ name }) => only === undefined || only.includes(name));
  const encoder = await firstWorking(candidates);
  return {
    command: ffmpegCommand(capture, encoder.value),
    why: `FFmpeg with ${encoder.name}${encoder.passed}`,
  };
}

async function firstWorking<T>(
  candidates: readonly Candidate<T>[],
): Promise<{ name: string; value: T; passed: string }> {
  const passed: string[] = [];
  for (const { name, value, test } of candidates) {
    const { works, why } = await test();
    if (works) {
      return { name, value, passed: passed.length === 0 ? "" : ` (${passed.join("; ")})` };
    }
    passed.push(`not ${name}: ${why}`);
  }
  throw new Unusable(passed.join("; ") || "it has no such encoder");
}

/** The named one, else the first that there is. */
async function renderNode(device: string | null): Promise<string | null> {
  if (device !== null) return device;
  try {
    const nodes = (await Array.fromAsync(Deno.readDir("/dev/dri"))).map(({ name }) => name);
    const node = nodes.filter((name) => name.startsWith("renderD")).toSorted()[0];
    return node === undefined ? null : `/dev/dri/${node}`;
  } catch {
    return null; // no GPU, or none that we may see
  }
}
