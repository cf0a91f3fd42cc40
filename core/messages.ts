/** What viewers may say, checked before it is believed. */

import * as v from "valibot";
import { decodeJson, WireError } from "../proto/wire.ts";
import { RingCommand } from "./attachment.ts";

/** Slower is what nobody watches; the time of the next frame stays a number of ns that every clock holds. */
const FPS_MIN = 0.1;
const FPS_MAX = 1_000;
const EVERY_NTH_MAX = 100_000;

const secret = v.pipe(v.string(), v.maxLength(256));
const u32 = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff));

export const RUN_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const runId = v.pipe(v.string(), v.regex(RUN_ID_PATTERN, "a run's id"));

const HelloSchema = v.object({
  version: v.pipe(v.number(), v.integer()),
  ticket: v.optional(secret),
  token: v.optional(secret),
});

const LANES = ["raw", "h264", "jpeg"] as const;

const SubscribeSchema = v.object({
  run: runId,
  fpsMax: v.pipe(
    v.number(),
    v.check(
      (fps) => fps === 0 || (fps >= FPS_MIN && fps <= FPS_MAX),
      `0 or ${FPS_MIN} to ${FPS_MAX} is expected`,
    ),
  ),
  everyNth: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(EVERY_NTH_MAX)),
  stayLive: v.boolean(),
  lane: v.optional(v.picklist(["auto", ...LANES]), "auto"),
  accepts: v.optional(v.array(v.picklist(LANES)), ["raw"]),
});

const CommandSchema = v.variant("command", [
  v.object({
    id: u32,
    command: v.picklist(["pause", "resume", "step", "take-control", "release-control"]),
  }),
  v.object({
    id: u32,
    command: v.literal("worker"),
    code: v.pipe(u32, v.minValue(RingCommand.WorkerFirst)),
    value: v.optional(
      v.pipe(v.number(), v.check((x) => Number.isFinite(Math.fround(x)), "a finite f32")),
    ),
  }),
]);

const FollowSchema = v.object({ run: v.nullable(runId) });

const RouteSchema = v.object({ run: runId, prefer: v.picklist(["auto", "ring", "grpc"]) });

/** Longer than any time that a page measures within a second or shows. */
const REPORT_MS_MAX = 3_600_000;
const reportMs = v.nullable(v.pipe(v.number(), v.minValue(0), v.maxValue(REPORT_MS_MAX)));
/** A page draws no more in the time between two reports, even when its timers were held back. */
const REPORT_COUNT_MAX = 1_000_000;
const reportCount = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(0),
  v.maxValue(REPORT_COUNT_MAX),
);

const ReportSchema = v.object({
  framesShown: reportCount,
  framesDropped: reportCount,
  frameTimeP50Ms: reportMs,
  frameTimeP99Ms: reportMs,
  latencyP50Ms: reportMs,
  latencyP99Ms: reportMs,
  decodeP50Ms: reportMs,
  janks: reportCount,
  stalls: reportCount,
  decoderRestarts: reportCount,
});

/** Parses a JSON body. Throws {@link WireError} that says which field is wrong. */
function parse<Schema extends v.GenericSchema>(
  what: string,
  schema: Schema,
  body: Uint8Array,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, decodeJson(body));
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new WireError(`${what}: ${v.getDotPath(issue) ?? "body"}: ${issue.message}`);
}

export const parseHello = (body: Uint8Array) => parse("Hello", HelloSchema, body);
export const parseSubscribe = (body: Uint8Array) => parse("Subscribe", SubscribeSchema, body);
export const parseReport = (body: Uint8Array) => parse("Report", ReportSchema, body);
export const parseCommand = (body: Uint8Array) => parse("Command", CommandSchema, body);
export const parseFollow = (body: Uint8Array) => parse("Follow", FollowSchema, body);
export const parseRoute = (body: Uint8Array) => parse("Route", RouteSchema, body);
