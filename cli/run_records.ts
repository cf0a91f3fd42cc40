/**
 * What a command's lines mean (docs/run.md): a JSON object with a `type` is a record, everything else a line of the log.
 */

import type { EpisodeInit, FrameFormat, FrameInit, Run, StepInit } from "../clients/ts/mod.ts";
import { FRAME_FORMATS } from "../clients/ts/mod.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Where pictures go. */
export interface PictureSink {
  show(frame: FrameInit): void;
}

const LEVELS = ["debug", "info", "warning", "error"] as const;
/** Bare in the JSON of Python and others, though RFC 8259 has none of them. */
const BARE_NUMBERS = /(?<=[:,[]\s*)(-?Infinity|NaN)(?=\s*[,}\]])/g;

function numberOf(value: unknown, name: string): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  if (value === null || value === "NaN") return NaN;
  if (value === "Infinity") return Infinity;
  if (value === "-Infinity") return -Infinity;
  throw new TypeError(`"${name}" is ${JSON.stringify(value)?.slice(0, 80)}; expected a number`);
}

function optional<Value>(
  fields: Fields,
  name: string,
  read: (value: unknown, name: string) => Value,
): Value | undefined {
  const value = fields[name];
  return value === undefined ? undefined : read(value, name);
}

function textOf(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw new TypeError(`"${name}" is ${JSON.stringify(value)?.slice(0, 80)}; expected a text`);
}

function objectOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new TypeError(`"${name}" is no object`);
}

function numbersOf(value: unknown, name: string): number[] {
  if (!Array.isArray(value)) throw new TypeError(`"${name}" is no list`);
  return value.map((part) => numberOf(part, name));
}

function dateOf(value: unknown, name: string): Date {
  return new Date(numberOf(value, name) * 1000);
}

function stepOf(fields: Fields): { step?: number } {
  return fields.step === undefined || fields.step === null
    ? {}
    : { step: numberOf(fields.step, "step") };
}

function stepInit(fields: Fields): StepInit {
  return {
    ...stepOf(fields),
    episode: optional(fields, "episode", numberOf),
    reward: optional(fields, "reward", numberOf),
    terminated: Boolean(fields.terminated),
    truncated: Boolean(fields.truncated),
    extra: optional(fields, "extra", objectOf),
  };
}

function episodeInit(fields: Fields): EpisodeInit {
  return {
    episode: numberOf(fields.episode, "episode"),
    return: numberOf(fields.return, "return"),
    length: numberOf(fields.length, "length"),
    firstStep: optional(fields, "first_step", numberOf),
    startTime: optional(fields, "start_time", dateOf),
    endTime: optional(fields, "end_time", dateOf),
    terminated: Boolean(fields.terminated),
    truncated: Boolean(fields.truncated),
    extra: optional(fields, "extra", objectOf),
  };
}

function frameInit(fields: Fields): FrameInit {
  const format = textOf(fields.format ?? "rgb8", "format");
  if (!Object.hasOwn(FRAME_FORMATS, format)) {
    throw new TypeError(
      `"format" is "${format}"; expected ${Object.keys(FRAME_FORMATS).join(", ")}`,
    );
  }
  return {
    pixels: Uint8Array.fromBase64(textOf(fields.data, "data")),
    width: numberOf(fields.width, "width"),
    height: numberOf(fields.height, "height"),
    format: format as FrameFormat,
    stride: optional(fields, "stride", numberOf),
    keyframe: Boolean(fields.keyframe),
    ...stepOf(fields),
    episode: optional(fields, "episode", numberOf),
    reward: optional(fields, "reward", numberOf),
  };
}

/** Scalars beside the type and the step: `{"type": "scalars", "step": 1, "loss": 0.5}` is as good as with `values`. */
function valuesOf(fields: Fields): Record<string, unknown> {
  if (fields.values !== undefined) return objectOf(fields.values, "values");
  const { type: _type, step: _step, ...values } = fields;
  return values;
}

/** Publishes one record. Throws what is wrong with it; nothing of it was taken then. */
const RECORDS: Readonly<Record<string, (fields: Fields, run: Run, pictures: PictureSink) => void>> =
  {
    step: (fields, run) => run.step(stepInit(fields)),
    episode: (fields, run) => run.episode(episodeInit(fields)),
    sample: (fields, run) =>
      run.log(
        { [textOf(fields.series, "series")]: numberOf(fields.value, "value") },
        stepOf(fields),
      ),
    scalars: (fields, run) => {
      const values = Object.entries(valuesOf(fields));
      run.log(
        Object.fromEntries(values.map(([name, value]) => [name, numberOf(value, name)])),
        stepOf(fields),
      );
    },
    params: (fields, run) => run.params(valuesOf(fields)),
    histogram: (fields, run) => {
      const series = textOf(fields.series, "series");
      const given = fields.values === undefined
        ? { edges: numbersOf(fields.edges, "edges"), counts: numbersOf(fields.counts, "counts") }
        : numbersOf(fields.values, "values");
      run.histogram(series, given, stepOf(fields));
    },
    log: (fields, run) => {
      const level = fields.level ?? "info";
      if (!LEVELS.includes(level as typeof LEVELS[number])) {
        throw new TypeError(`"level" is ${JSON.stringify(level)}; expected ${LEVELS.join(", ")}`);
      }
      run.text(
        textOf(fields.source ?? "stdout", "source"),
        textOf(fields.text, "text"),
        { level: level as typeof LEVELS[number], ...stepOf(fields) },
      );
    },
    frame: (fields, _run, pictures) => pictures.show(frameInit(fields)),
  };

/** A dictionary that Python prints begins otherwise. */
const OBJECT_BEGINS = /^\{\s*"/;

/** A record's fields; null for a line that is none. Throws SyntaxError for half a record. */
function fieldsOf(line: string): Fields | null {
  const text = line.trim();
  if (!OBJECT_BEGINS.test(text)) return null;
  const value = parsed(text);
  return typeof value === "object" && value !== null && "type" in value ? value as Fields : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const quoted = text.replaceAll(BARE_NUMBERS, '"$1"');
    if (quoted === text) throw error;
    return JSON.parse(quoted);
  }
}

// deno-lint-ignore no-control-regex -- these are what it is about
const ESCAPES = /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

/** A line as a terminal would show it at its end: progress bars write over themselves, colours are left out. */
export function shownText(line: string): string {
  const plain = line.replaceAll(ESCAPES, "").replace(/\r+$/, "");
  return plain.slice(plain.lastIndexOf("\r") + 1);
}

/**
 * Takes one line of the command's stdout. Returns what was wrong with a line that looked like a record, else null; such a
 * line is one of the log then.
 */
export function takeLine(line: string, run: Run, pictures: PictureSink): string | null {
  let complaint: string | null = null;
  try {
    const fields = fieldsOf(line);
    const type = String(fields?.type);
    // Its own: somebody else's {"type": "constructor"} is none of ours.
    if (fields !== null && Object.hasOwn(RECORDS, type)) {
      RECORDS[type]!(fields, run, pictures);
      return null;
    }
    // JSON of somebody else's format is no mistake.
  } catch (error) {
    complaint = (error as Error).message;
  }
  const text = shownText(line);
  if (text !== "") run.text("stdout", text);
  return complaint;
}
