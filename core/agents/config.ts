/**
 * Agents are declared in the configuration file and nowhere else: `[agents.NAME]`, one table each. docs/agents.md is the
 * reference.
 */

import { dirname, resolve } from "node:path";
import * as v from "valibot";
import { ENCODER_CHOICES, type EncoderChoice } from "../encoders.ts";
import { UserError } from "../errors.ts";
import { RUN_ID_PATTERN } from "../messages.ts";
import { nearNames } from "../near_names.ts";

export const SOURCE_KINDS = [
  "ring",
  "agent",
  "exec",
  "fifo",
  "gst",
  "ffmpeg",
  "x11grab",
  "vaapi",
  "auto",
] as const;
export type SourceKind = typeof SOURCE_KINDS[number];

/** Who brings pictures of a program that has none for us: the kinds that `backend` may name, beside a source's other keys. */
const BACKENDS = ["auto", "gst", "ffmpeg", "x11grab", "vaapi", "exec"] as const;

export const RESTART_POLICIES = ["always", "on-failure", "never"] as const;
export type RestartPolicy = typeof RESTART_POLICIES[number];

/** Where an agent's pictures come from. What a kind does not use is null. */
export interface AgentSource {
  kind: SourceKind;
  /** The FIFO that the program writes. */
  path: string | null;
  /** X display to capture; null: that of `xvfb`, else $DISPLAY. */
  display: string | null;
  /** Size of an Xvfb that is started for the program, as "1280x720". */
  xvfb: string | null;
  /** The GStreamer source, as gst-launch-1.0 takes it. */
  pipeline: string | null;
  /** FFmpeg's arguments up to its input. */
  input: readonly string[] | null;
  /** The render node, as /dev/dri/renderD128. */
  device: string | null;
}

export interface AgentConfig {
  /** Also the id of its run. */
  name: string;
  /** The program and its arguments; null: our own agent. */
  command: readonly string[] | null;
  source: AgentSource;
  env: Readonly<Record<string, string>>;
  /** Absolute. */
  cwd: string;
  /** null: placement chooses one, where there is any. */
  gpu: number | null;
  restart: RestartPolicy;
  /** It starts with the server. */
  autostart: boolean;
  /** From the request to end to SIGKILL. */
  stopGraceMs: number;
  /** null: no limit. */
  memoryMaxBytes: number | null;
  /** No new picture for so long: hung. null: never. */
  hangTimeoutMs: number | null;
  /** The same picture for so long: frozen. null: never. */
  frozenTimeoutMs: number | null;
  /** Black pictures for so long: black. null: never. */
  blackTimeoutMs: number | null;
  /** Of pictures that we make or encode; null: what the source gives, else our agent's default. */
  width: number | null;
  height: number | null;
  fps: number | null;
  bitrateKbps: number | null;
  gopSeconds: number | null;
  encoder: EncoderChoice;
}

/** A program's pictures come when it makes them: a checkpoint or an evaluation may take its time. */
const HANG_TIMEOUT_S_PROGRAM = 60;
/** Ours and captures have a clock, and some of them a slow one. */
const HANG_TIMEOUT_S_PACED = 5;
const HANG_TIMEOUT_PICTURES_PACED = 3;
const STOP_GRACE_S = 5;

const BYTES_BY_UNIT: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};
/** Less than this no process can start in. */
const MEMORY_BYTES_MIN = 2 ** 20;
/** setTimeout takes no more than 2^31 ms. */
const SECONDS_MAX = 86_400;

const text = v.pipe(
  v.string(),
  v.nonEmpty(),
  v.check((value) => !value.includes("\0")),
);
const seconds = v.pipe(v.number(), v.minValue(0), v.maxValue(SECONDS_MAX));
const words = v.pipe(v.array(v.string()), v.minLength(1), v.check(([first]) => first !== ""));
const integer = (min: number, max: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));

const MEMORY = new RegExp(`^(\\d+(?:\\.\\d+)?) ?(${Object.keys(BYTES_BY_UNIT).join("|")})$`);
const memory = v.pipe(
  v.string(),
  v.regex(MEMORY),
  v.transform((value) => {
    const [, count, unit] = MEMORY.exec(value)!;
    return Math.floor(Number(count) * BYTES_BY_UNIT[unit!]!);
  }),
  v.minValue(MEMORY_BYTES_MIN),
  v.maxValue(Number.MAX_SAFE_INTEGER),
);

/** Of the environment, without what the supervisor itself says. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const environment = v.record(
  v.pipe(v.string(), v.regex(VARIABLE)),
  v.pipe(v.union([v.string(), v.number(), v.boolean()]), v.transform(String)),
);

/** One key of a table: what it may be, in words and as a schema. */
interface KeyRow {
  expected: string;
  schema: v.GenericSchema;
}

const oneOf = (choices: readonly string[]) =>
  choices.map((choice) => `"${choice}"`).join(", ").replace(/, ([^,]*)$/, " or $1");
const SECONDS_EXPECTED = `seconds from 0 (off) to ${SECONDS_MAX}`;

const SOURCE_ROWS = {
  kind: { expected: oneOf(SOURCE_KINDS), schema: v.picklist(SOURCE_KINDS) },
  path: { expected: "the path of a FIFO", schema: text },
  display: {
    expected: 'an X display such as ":1"',
    schema: v.pipe(v.string(), v.regex(/^\S*:\d+(\.\d+)?$/)),
  },
  xvfb: {
    expected: 'a size from 16x16 to 8192x8192 such as "1280x720"',
    schema: v.pipe(
      v.string(),
      v.regex(/^\d+x\d+$/),
      v.check((size) => size.split("x").every((pixels) => +pixels >= 16 && +pixels <= 8192)),
    ),
  },
  pipeline: { expected: 'a GStreamer source such as "videotestsrc is-live=true"', schema: text },
  input: {
    expected: 'a list of FFmpeg\'s arguments such as ["-f", "v4l2", "-i", "/dev/video0"]',
    schema: words,
  },
  device: { expected: 'a render node such as "/dev/dri/renderD128"', schema: text },
} as const satisfies Record<string, KeyRow>;

const AGENT_ROWS = {
  command: {
    expected: 'a list of a program and its arguments such as ["python3", "sim.py"]',
    schema: words,
  },
  source: {
    expected: `${oneOf(SOURCE_KINDS)}, or a table that has one of them as its kind`,
    schema: v.union([v.picklist(SOURCE_KINDS), v.looseObject({})]),
  },
  backend: { expected: oneOf(BACKENDS), schema: v.picklist(BACKENDS) },
  env: { expected: 'a table of variables such as { SEED = "1" }', schema: environment },
  cwd: { expected: "a folder", schema: text },
  gpu: { expected: "the index of a GPU, from 0", schema: integer(0, 63) },
  restart: { expected: oneOf(RESTART_POLICIES), schema: v.picklist(RESTART_POLICIES) },
  autostart: { expected: "true or false", schema: v.boolean() },
  "stop-grace": { expected: `seconds from 0 to ${SECONDS_MAX}`, schema: seconds },
  "memory-max": { expected: 'a size from 1 MiB up such as "2GiB"', schema: memory },
  "hang-timeout": { expected: SECONDS_EXPECTED, schema: seconds },
  "frozen-timeout": { expected: SECONDS_EXPECTED, schema: seconds },
  "black-timeout": { expected: SECONDS_EXPECTED, schema: seconds },
  width: { expected: "pixels, an even number from 16 to 8192", schema: pixels(16, 8192) },
  height: { expected: "pixels, an even number from 16 to 8192", schema: pixels(16, 8192) },
  fps: {
    expected: "pictures a second, from 0.1 to 1000",
    schema: v.pipe(v.number(), v.minValue(0.1), v.maxValue(1000)),
  },
  bitrate: { expected: "kbit/s from 50 to 1000000", schema: integer(50, 1_000_000) },
  gop: {
    expected: "seconds between keyframes, from 0.1 to 60",
    schema: v.pipe(v.number(), v.minValue(0.1), v.maxValue(60)),
  },
  encoder: { expected: oneOf(ENCODER_CHOICES), schema: v.picklist(ENCODER_CHOICES) },
} as const satisfies Record<string, KeyRow>;

function pixels(min: number, max: number) {
  return v.pipe(integer(min, max), v.multipleOf(2));
}

/** What our own agent can draw (native/agent/options.c) is less than what a capture may be asked for. */
const OWN_ROWS = {
  width: { expected: "pixels, an even number from 64 to 4096", schema: pixels(64, 4096) },
  height: { expected: "pixels, an even number from 64 to 4096", schema: pixels(64, 4096) },
  fps: {
    expected: "pictures a second, from 1 to 240",
    schema: v.pipe(v.number(), v.minValue(1), v.maxValue(240)),
  },
  bitrate: { expected: "kbit/s from 50 to 200000", schema: integer(50, 200_000) },
} as const satisfies Record<string, KeyRow>;

/** What each kind of source takes beside its kind. */
const CAPTURE_KEYS = ["xvfb", "display"] as const;
const SOURCE_KEYS: Readonly<Record<SourceKind, readonly (keyof typeof SOURCE_ROWS)[]>> = {
  ring: [],
  agent: [],
  exec: ["xvfb"],
  fifo: ["path"],
  gst: [...CAPTURE_KEYS, "pipeline"],
  ffmpeg: [...CAPTURE_KEYS, "input"],
  x11grab: CAPTURE_KEYS,
  vaapi: [...CAPTURE_KEYS, "input", "device"],
  auto: [...CAPTURE_KEYS, "pipeline", "input"],
};

type Given<Rows extends Record<string, KeyRow>> = {
  [K in keyof Rows]?: v.InferOutput<Rows[K]["schema"]>;
};

/** `table` is what stands under `agents` in the file. Throws {@link UserError} that names the key at fault. */
export function parseAgents(table: unknown, filePath: string): AgentConfig[] {
  if (table === undefined) return [];
  if (!isTable(table)) {
    throw new UserError(`"agents" in ${filePath} is no table: write [agents.NAME] for each agent`);
  }
  return Object.entries(table).map(([name, agent]) => {
    const where = `agents.${name}`;
    if (!RUN_ID_PATTERN.test(name)) {
      throw new UserError(
        `[${where}] in ${filePath}: an agent's name is its run's id, up to 64 letters, digits, ` +
          `".", "_" and "-", with a letter or a digit first`,
      );
    }
    if (!isTable(agent)) {
      throw new UserError(`"${where}" in ${filePath} is no table: write [${where}] above its keys`);
    }
    return agentOf(name, check(AGENT_ROWS, agent, where, filePath), filePath);
  });
}

function agentOf(name: string, given: Given<typeof AGENT_ROWS>, filePath: string): AgentConfig {
  const source = sourceOf(name, given, filePath);
  if (source.kind === "agent") {
    const { width, height, fps, bitrate } = given;
    const ours = { width, height, fps, bitrate };
    const present = Object.entries(ours).filter(([, value]) => value !== undefined);
    check(OWN_ROWS, Object.fromEntries(present), `agents.${name}`, filePath);
  }
  const paced = source.kind !== "ring" && source.kind !== "exec" && source.kind !== "fifo";
  const hangTimeoutS = paced
    ? Math.max(HANG_TIMEOUT_S_PACED, HANG_TIMEOUT_PICTURES_PACED / (given.fps ?? Infinity))
    : HANG_TIMEOUT_S_PROGRAM;
  return {
    name,
    command: given.command ?? null,
    source,
    env: given.env ?? {},
    // Relative to the file: who moves the folder moves both.
    cwd: resolve(dirname(filePath), given.cwd ?? "."),
    gpu: given.gpu ?? null,
    restart: given.restart ?? "always",
    autostart: given.autostart ?? true,
    stopGraceMs: (given["stop-grace"] ?? STOP_GRACE_S) * 1000,
    memoryMaxBytes: given["memory-max"] ?? null,
    hangTimeoutMs: timeoutMs(given["hang-timeout"] ?? hangTimeoutS),
    frozenTimeoutMs: timeoutMs(given["frozen-timeout"] ?? 0),
    blackTimeoutMs: timeoutMs(given["black-timeout"] ?? 0),
    width: given.width ?? null,
    height: given.height ?? null,
    fps: given.fps ?? null,
    bitrateKbps: given.bitrate ?? null,
    gopSeconds: given.gop ?? null,
    encoder: given.encoder ?? "auto",
  };
}

function timeoutMs(timeoutS: number): number | null {
  return timeoutS === 0 ? null : timeoutS * 1000;
}

function sourceOf(
  name: string,
  { source = {}, backend, command }: Given<typeof AGENT_ROWS>,
  filePath: string,
): AgentSource {
  const where = `agents.${name}.source`;
  const table = typeof source === "string" ? { kind: source } : source;
  const checked = check(SOURCE_ROWS, table, where, filePath);
  const kind = checked.kind ?? backend ?? (command === undefined ? "agent" : "ring");
  const problem = backend !== undefined && backend !== kind
    ? `backend "${backend}" and source "${kind}" are two kinds: leave out one of them`
    : sourceProblem(kind, checked, command ?? null);
  if (problem !== null) throw new UserError(`[agents.${name}] in ${filePath}: ${problem}`);
  return {
    kind,
    path: checked.path ?? null,
    display: checked.display ?? null,
    xvfb: checked.xvfb ?? null,
    pipeline: checked.pipeline ?? null,
    input: checked.input ?? null,
    device: checked.device ?? null,
  };
}

/** Why a source and its command do not go together; null: they do. */
function sourceProblem(
  kind: SourceKind,
  given: Given<typeof SOURCE_ROWS>,
  command: readonly string[] | null,
): string | null {
  const keys = Object.keys(given) as (keyof typeof SOURCE_ROWS)[];
  const odd = keys.find((key) => key !== "kind" && !SOURCE_KEYS[kind].includes(key));
  if (odd !== undefined) {
    const kinds = SOURCE_KINDS.filter((each) => SOURCE_KEYS[each].includes(odd));
    return `source "${kind}" takes no ${odd}; with it, kind is ${oneOf(kinds)}`;
  }
  if (kind === "agent" && command !== null) {
    return 'source "agent" is our own program and takes no command: leave out one of them';
  }
  if ((kind === "ring" || kind === "exec") && command === null) {
    return `source "${kind}" needs a command`;
  }
  if (kind === "fifo" && given.path === undefined) {
    return 'source "fifo" needs its path: source = { kind = "fifo", path = "/tmp/video" }';
  }
  return null;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

function check<Rows extends Record<string, KeyRow>>(
  rows: Rows,
  table: Record<string, unknown>,
  where: string,
  filePath: string,
): Given<Rows> {
  const checked: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(table)) {
    const row = Object.hasOwn(rows, key) ? rows[key]! : unknownKey(key, rows, where, filePath);
    const result = v.safeParse(row.schema, value);
    if (!result.success) {
      throw new UserError(
        `"${where}.${key}" in ${filePath} is ${JSON.stringify(value)}, expected ${row.expected}`,
      );
    }
    checked[key] = result.output;
  }
  return checked as Given<Rows>;
}

function unknownKey(key: string, rows: object, where: string, filePath: string): never {
  const near = nearNames(key, Object.keys(rows));
  const known = near.length > 0
    ? `did you mean ${near.join(" or ")}?`
    : `known are ${Object.keys(rows).join(", ")}`;
  throw new UserError(`[${where}] in ${filePath} has an unknown key "${key}"; ${known}`);
}
