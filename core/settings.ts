/**
 * Settings: flags win over the environment, the environment over the TOML file, the file over the defaults. One table
 * says how each is named in all three places and what it may be.
 */

import { parse as parseToml } from "smol-toml";
import { isIP } from "node:net";
import * as v from "valibot";
import { ENCODER_CHOICES } from "./encoders.ts";
import { messageOf, UserError } from "./errors.ts";

/** Labels of letters, digits, - and _, with dots between them. */
const HOST_NAME = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i;

/** What of the file is not a setting: core/agents/config.ts reads it. */
export const AGENTS_KEY = "agents";

const port = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535));
const text = v.pipe(v.string(), v.nonEmpty());
const hostName = v.pipe(v.string(), v.check((name) => isIP(name) !== 0 || HOST_NAME.test(name)));

/** One setting. The key in the TOML file is `file`, the flag `--${file}`, the environment twin `TELEBRIDGE_${FILE}`. */
interface SettingRow {
  file: string;
  /** What stands for the value in `--help`; none for a switch. */
  placeholder?: string;
  help: string;
  /** What a valid value is, in words. */
  expected: string;
  schema: v.GenericSchema;
}

/** Every setting of `telebridge serve` but the data directory, which says where the file is. */
export const SETTING_ROWS = {
  host: {
    file: "host",
    placeholder: "ADDRESS",
    help: "address to listen on; beyond loopback TLS is required (default: 127.0.0.1)",
    expected: "an IP address",
    schema: text,
  },
  port: {
    file: "port",
    placeholder: "NUMBER",
    help: "TCP port, and UDP port for WebTransport when it is free; 0 = any (default: 7447)",
    expected: "a number from 0 to 65535",
    schema: port,
  },
  tls: {
    file: "tls",
    placeholder: "KIND",
    help: '"self-signed": make a certificate and keep it in the data directory',
    expected: '"self-signed"',
    schema: v.literal("self-signed"),
  },
  tlsCert: {
    file: "tls-cert",
    placeholder: "FILE",
    help: "certificate chain, PEM",
    expected: "a path",
    schema: text,
  },
  tlsKey: {
    file: "tls-key",
    placeholder: "FILE",
    help: "private key of --tls-cert, PEM",
    expected: "a path",
    schema: text,
  },
  allowHosts: {
    file: "allow-host",
    placeholder: "NAME",
    help: "a name under which browsers may reach the server; repeat for more (environment: commas)",
    expected: "bare names or addresses, without a scheme or a port",
    schema: v.array(hostName),
  },
  encoder: {
    file: "encoder",
    placeholder: "NAME",
    help: "what encodes H.264: auto, nvenc, x264 or openh264 (default: auto, the first that works)",
    expected: "auto, nvenc, x264 or openh264",
    schema: v.picklist(ENCODER_CHOICES),
  },
  gop: {
    file: "gop",
    placeholder: "SECONDS",
    help: "time between keyframes (default: keyframes only when a viewer needs one)",
    expected: "a number from 0.1 to 60",
    schema: v.pipe(v.number(), v.minValue(0.1), v.maxValue(60)),
  },
  lane: {
    file: "lane",
    placeholder: "KIND",
    help: "how frames go to pages that leave it to the server: auto, raw, h264 or jpeg " +
      "(default: auto, by size and by what the page can draw)",
    expected: "auto, raw, h264 or jpeg",
    schema: v.picklist(["auto", "raw", "h264", "jpeg"]),
  },
  viewersMax: {
    file: "viewers-max",
    placeholder: "NUMBER",
    help: "viewer sessions at the same time (default: 64)",
    expected: "a number from 1 to 1024",
    schema: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1024)),
  },
  grpcPort: {
    file: "grpc-port",
    placeholder: "NUMBER",
    help:
      "TCP port on loopback for workers' rows; another when it is taken; 0 = any (default: 7448)",
    expected: "a number from 0 to 65535",
    schema: port,
  },
  grpcHost: {
    file: "grpc-host",
    placeholder: "ADDRESS",
    help: "a further address for workers on other machines, on the next port; requires TLS " +
      "(default: none)",
    expected: "an IP address",
    schema: v.pipe(v.string(), v.check((address) => isIP(address) !== 0)),
  },
  batchRecords: {
    file: "batch-records",
    placeholder: "NUMBER",
    help: "rows that are committed at once, and more when more wait (default: 128)",
    expected: "a number from 1 to 8192",
    schema: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(8192)),
  },
  batchMs: {
    file: "batch-ms",
    placeholder: "MS",
    help: "fewer rows wait so long for others before they are committed (default: 50)",
    expected: "a number from 0 to 10000",
    schema: v.pipe(v.number(), v.minValue(0), v.maxValue(10_000)),
  },
  logLevel: {
    file: "log-level",
    placeholder: "LEVEL",
    help: "debug, info, warning or error; logs go to stderr (default: info)",
    expected: "debug, info, warning or error",
    schema: v.picklist(["debug", "info", "warning", "error"]),
  },
  json: {
    file: "json",
    help: "print one line of JSON on stdout when ready: url, token, port, …",
    expected: "true or false",
    schema: v.boolean(),
  },
  viewToken: {
    file: "view-token",
    help: "also print a URL that can watch but not touch",
    expected: "true or false",
    schema: v.boolean(),
  },
  demo: {
    file: "demo",
    help: "also run the demo: a mountain car that learns to reach its flag",
    expected: "true or false",
    schema: v.boolean(),
  },
} as const satisfies Record<string, SettingRow>;

export type SettingKey = keyof typeof SETTING_ROWS;

type Values = { [K in SettingKey]: v.InferOutput<(typeof SETTING_ROWS)[K]["schema"]> };
type Optional = "tls" | "tlsCert" | "tlsKey" | "gop" | "grpcHost";

/** Settings as `serve` uses them. */
export type Settings = Omit<Values, Optional> & Partial<Pick<Values, Optional>>;

export const DEFAULT_SETTINGS: Settings = {
  host: "127.0.0.1",
  port: 7447,
  allowHosts: [],
  encoder: "auto",
  lane: "auto",
  viewersMax: 64,
  grpcPort: 7448,
  batchRecords: 128,
  batchMs: 50,
  logLevel: "info",
  json: false,
  viewToken: false,
  demo: false,
};

/** Where settings come from. `flags` holds only what was given. */
export interface SettingSources {
  flags: Partial<Record<SettingKey, unknown>>;
  environment: Readonly<Record<string, string>>;
  /** Text of the TOML file and its path; null without one. */
  file: { path: string; text: string } | null;
}

export function flagOf(key: SettingKey): string {
  return `--${SETTING_ROWS[key].file}`;
}

export function environmentNameOf(key: SettingKey): string {
  return `TELEBRIDGE_${SETTING_ROWS[key].file.replaceAll("-", "_").toUpperCase()}`;
}

/** Merges and validates. Throws {@link UserError} that names the flag, the variable or the key of the file at fault. */
export function resolveSettings(sources: SettingSources): Settings {
  const keys = Object.keys(SETTING_ROWS) as SettingKey[];
  const fromFile = sources.file === null ? {} : settingsIn(sources.file, keys);
  const settings: Record<string, unknown> = { ...DEFAULT_SETTINGS };
  for (const key of keys) {
    const flag = sources.flags[key];
    const variable = sources.environment[environmentNameOf(key)];
    if (flag !== undefined) {
      settings[key] = validate(key, fromText(key, flag), flagOf(key));
    } else if (variable !== undefined && variable !== "") {
      settings[key] = validate(key, fromText(key, variable), environmentNameOf(key));
    } else if (fromFile[key] !== undefined) {
      const where = `"${SETTING_ROWS[key].file}" in ${sources.file!.path}`;
      settings[key] = validate(key, fromFile[key], where);
    }
  }
  const resolved = settings as unknown as Settings;
  checkTogether(resolved);
  return resolved;
}

/** Throws {@link UserError} for a file that is no TOML. */
export function parseConfigFile(file: { path: string; text: string }): Record<string, unknown> {
  try {
    return parseToml(file.text);
  } catch (error) {
    throw new UserError(`cannot read ${file.path}: ${messageOf(error)}`);
  }
}

function settingsIn(
  file: { path: string; text: string },
  keys: SettingKey[],
): Partial<Record<SettingKey, unknown>> {
  const { [AGENTS_KEY]: _, ...table } = parseConfigFile(file);
  const byFileKey = new Map(keys.map((key) => [SETTING_ROWS[key].file as string, key]));
  const values: Partial<Record<SettingKey, unknown>> = {};
  for (const [name, value] of Object.entries(table)) {
    const key = byFileKey.get(name);
    if (key === undefined) {
      throw new UserError(
        `${file.path} has an unknown key "${name}"; known are ` +
          [...byFileKey.keys(), `[${AGENTS_KEY}.NAME]`].join(", "),
      );
    }
    values[key] = value;
  }
  return values;
}

/** Flags and variables are text; gives them the type of their setting, or leaves them for the schema to refuse. */
function fromText(key: SettingKey, value: unknown): unknown {
  if (typeof value !== "string") return value;
  const type = SETTING_ROWS[key].schema.type;
  if (type === "number") return /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  if (type === "array") return value.split(",").map((name) => name.trim());
  if (type === "boolean") {
    if (["1", "true", "yes", "on"].includes(value.toLowerCase())) return true;
    if (["0", "false", "no", "off"].includes(value.toLowerCase())) return false;
  }
  return value;
}

function validate(key: SettingKey, value: unknown, where: string): unknown {
  const row = SETTING_ROWS[key];
  const result = v.safeParse(row.schema as v.GenericSchema, value);
  if (result.success) return result.output;
  throw new UserError(
    `${where} is ${JSON.stringify(value) ?? value}, expected ${row.expected} ` +
      `(${flagOf(key)}, ${environmentNameOf(key)}, or "${row.file}" in the configuration file)`,
  );
}

function checkTogether(settings: Settings): void {
  if ((settings.tlsCert === undefined) !== (settings.tlsKey === undefined)) {
    throw new UserError("--tls-cert and --tls-key belong together: give both");
  }
  if (settings.tlsCert !== undefined && settings.tls !== undefined) {
    throw new UserError("--tls self-signed and --tls-cert exclude one another: give one");
  }
  const hasTls = settings.tls !== undefined || settings.tlsCert !== undefined;
  if (!isLoopback(settings.host) && !hasTls) {
    throw new UserError(
      `${settings.host} can be reached from other machines, so TLS is required. This works:\n` +
        `  telebridge serve --host ${settings.host} --tls self-signed\n` +
        `or give your own certificate with --tls-cert FILE --tls-key FILE`,
    );
  }
  if (settings.grpcHost !== undefined && !hasTls) {
    throw new UserError(
      `--grpc-host ${settings.grpcHost} is for other machines, so TLS is required: ` +
        `add --tls self-signed, or --tls-cert FILE --tls-key FILE`,
    );
  }
}

/** Whether only this machine can reach `host`. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
