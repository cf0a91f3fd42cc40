/** `telebridge replay`: what was stored of a run, in order of time, on stdout. */

import { Command, Option } from "commander";
import { UserError } from "../core/errors.ts";
import { nearNames } from "../core/near_names.ts";
import { pause } from "../core/pause.ts";
import { Pace } from "../core/replay/pace.ts";
import { isReversed, parsePoint } from "../core/replay/points.ts";
import { Replay } from "../core/replay/replay.ts";
import type { Slice } from "../core/replay/source.ts";
import { ROW_KINDS, type RowKind, type RunRecord } from "../core/storage/records.ts";
import type { StoreReader } from "../core/storage/store.ts";
import { DATA_DIR_FLAG, DATA_DIR_HELP, dataDirOf } from "./data_dir_option.ts";
import { Csv } from "./replay/csv.ts";
import type { RowFormat } from "./replay/format.ts";
import { MessagePack } from "./replay/message_pack.ts";
import { Ndjson } from "./replay/ndjson.ts";
import { Output, OutputClosed } from "./replay/output.ts";
import { type Progress, progressOf } from "./replay/progress.ts";
import { openStoredRuns, storedRun } from "./stored_runs.ts";

const DEFAULT_KINDS = "steps,episodes,samples,logs";
const SPEED_MIN = 0.001;
const SPEED_MAX = 1_000_000;
const FOLLOW_EVERY_MS = 200;
/** Rows that are encoded at a time; a log's text may have 1 MiB. */
const ROWS_AT_ONCE = 512;
const LARGE_ROWS_AT_ONCE = 8;
/** Rows that are due so soon are written together. */
const WAIT_MS_MIN = 4;
/** A timer holds 2^31 ms and no more. */
const SLEEP_MS_MAX = 3_600_000;
const NS_PER_MS = 1_000_000n;
const INTERRUPTED_EXIT_CODE = 130;
/** Time to write the rows that are being written; whoever reads may have stopped to. */
const INTERRUPTED_MS_MAX = 200;

const EXAMPLES = `
Examples:
  telebridge replay my-run | jq -c 'select(.type == "episode")'
  telebridge replay my-run --kinds samples --series train/loss --format csv > loss.csv
  telebridge replay my-run --from episode:3 --to episode:5 --speed 1
  telebridge replay my-run --from -5m --follow          the last five minutes, and what comes
  telebridge replay my-run --format msgpack > my-run.msgpack

POINT is step:N, episode:N, a time (2026-11-21T10:00:00Z; without a zone: local time; @SECONDS since
1970), +30s after the run's start, or -5m before its newest row (units: ms, s, m, h, d). A step or an
episode is the moment at which it began; --to is inclusive.

One record a row, in order of time; docs/replay.md has their fields. JSON has no NaN and no infinities:
they are the strings "NaN", "Infinity" and "-Infinity". CSV holds one kind of rows. It reads the
database alone: a server may run or not.
`;

interface Options {
  dataDir?: string;
  kinds: string;
  series?: string[];
  from?: string;
  to?: string;
  speed: string;
  format: "ndjson" | "csv" | "msgpack";
  follow: boolean;
}

export function replayCommand(): Command {
  return new Command("replay")
    .description("Print what was stored of a run, in order of time.")
    .argument("<RUN>", "its id; telebridge runs lists them")
    .option(DATA_DIR_FLAG, DATA_DIR_HELP)
    .option("--kinds <KINDS>", `of ${ROW_KINDS.join(", ")}; or all`, DEFAULT_KINDS)
    .option("--series <NAME>", "only samples of this series; again for more", collect)
    .option("--from <POINT>", "where to start (default: its beginning)")
    .option("--to <POINT>", "where to end (default: its end)")
    .option("--speed <N>", "1 as it was, 10 ten times as fast, max", "max")
    .addOption(
      new Option("--format <FORMAT>").choices(["ndjson", "csv", "msgpack"]).default("ndjson"),
    )
    .option("--follow", "then what is stored as it comes, until the run ends", false)
    .addHelpText("after", EXAMPLES)
    .action(run);
}

function collect(name: string, names: string[] = []): string[] {
  return [...names, name];
}

async function run(runId: string, options: Options): Promise<void> {
  const kinds = kindsOf(options.kinds);
  const format = formatOf(options.format, kinds);
  const speed = speedOf(options.speed);
  const from = options.from === undefined ? null : parsePoint("--from", options.from);
  const to = options.to === undefined ? null : parsePoint("--to", options.to);
  if (from !== null && to !== null && isReversed(from, to)) {
    throw new UserError(`--to ${options.to} is before --from ${options.from}`);
  }
  using reader = openStoredRuns(dataDirOf(options.dataDir));
  const record = storedRun(reader, runId);
  const { series = null } = options;
  if (series !== null && !options.follow) checkSeries(reader, record, series);
  const replay = new Replay({
    reader,
    run: record,
    kinds,
    series,
    from,
    to,
    nowUnixNs: () => BigInt(Date.now()) * NS_PER_MS,
  });
  if (!replay.begun && !options.follow) {
    throw new UserError(`run ${runId} has nothing from ${options.from} on`);
  }
  const player = new Player({ replay, format, speed, progress: progressOf(runId) });
  try {
    await player.play(options.follow);
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
  if (replay.lateCount > 0) {
    console.error(
      `telebridge: ${replay.lateCount} rows stand after later ones: they were stored long after they were made`,
    );
  }
}

function kindsOf(text: string): ReadonlySet<RowKind> {
  if (text === "all") return new Set(ROW_KINDS);
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const unknown = names.find((name) => !ROW_KINDS.includes(name as RowKind));
  if (unknown === undefined && names.length > 0) return new Set(names as RowKind[]);
  throw new UserError(
    `--kinds: ${
      unknown === undefined ? "none is given" : `there is no "${unknown}"`
    }, expected some of ${ROW_KINDS.join(",")}, or all`,
  );
}

function formatOf(name: Options["format"], kinds: ReadonlySet<RowKind>): RowFormat {
  switch (name) {
    case "ndjson":
      return new Ndjson();
    case "msgpack":
      return new MessagePack();
    case "csv": {
      const [kind, ...others] = kinds;
      if (others.length === 0) return new Csv(kind!);
      throw new UserError(
        "--format csv holds one kind of rows: name it, for example --kinds samples",
      );
    }
  }
}

function speedOf(text: string): number {
  if (text === "max") return Infinity;
  const speed = text.trim() === "" ? NaN : Number(text);
  if (speed >= SPEED_MIN && speed <= SPEED_MAX) return speed;
  throw new UserError(
    `--speed is "${text}", expected max or a number from ${SPEED_MIN} to ${SPEED_MAX}`,
  );
}

/** A series that is not there is a slip of the pen, but for a run that may still make it. */
function checkSeries(reader: StoreReader, { runId }: RunRecord, wanted: readonly string[]): void {
  const names = reader.series(runId).map(({ name }) => name);
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const near = nearNames(unknown, names);
  const hint = near.length > 0 ? `did you mean ${near.join(", ")}?` : `it has ${some(names)}`;
  throw new UserError(`run ${runId} has no series "${unknown}"; ${hint}`);
}

function some(names: readonly string[]): string {
  if (names.length === 0) return "none";
  return names.length <= 5 ? names.join(", ") : `${names.slice(0, 5).join(", ")}, …`;
}

/** Writes slices when they are due. */
class Player {
  readonly #replay: Replay;
  readonly #format: RowFormat;
  readonly #pace: Pace;
  readonly #progress: Progress;
  readonly #output = new Output();
  #interrupted = false;

  constructor(
    options: { replay: Replay; format: RowFormat; speed: number; progress: Progress },
  ) {
    this.#replay = options.replay;
    this.#format = options.format;
    this.#pace = new Pace({ speed: options.speed, nowMs: () => performance.now() });
    this.#progress = options.progress;
  }

  /** Until its last row; with `follow` until the run's end. Ctrl-C ends the process between two records. */
  async play(follow: boolean): Promise<void> {
    const onInterrupt = () => this.#interrupt();
    Deno.addSignalListener("SIGINT", onInterrupt);
    try {
      await this.#output.write(this.#format.header);
      while (true) {
        const state = this.#replay.look();
        for (const slice of this.#replay.round()) await this.#playSlice(slice);
        await this.#flush();
        if (state === "deleted") throw new UserError("the run was deleted meanwhile");
        if (!follow || state === "ended") return;
        await pause(FOLLOW_EVERY_MS);
      }
    } finally {
      this.#progress.stop();
      Deno.removeSignalListener("SIGINT", onInterrupt);
    }
  }

  async #playSlice(slice: Slice): Promise<void> {
    const { timesUnixNs } = slice;
    const rowsAtOnce = "length" in slice.rows ? LARGE_ROWS_AT_ONCE : ROWS_AT_ONCE;
    let { from } = slice;
    while (from < slice.to) {
      const waitMs = this.#pace.waitMs(timesUnixNs[from]!);
      if (waitMs > WAIT_MS_MIN) {
        await this.#flush();
        await pause(Math.min(waitMs, SLEEP_MS_MAX));
        continue;
      }
      const limit = Math.min(slice.to, from + rowsAtOnce);
      let to = from + 1;
      while (to < limit && this.#pace.waitMs(timesUnixNs[to]!) <= WAIT_MS_MIN) to++;
      const room = this.#output.write(this.#format.encode({ ...slice, from, to }));
      if (room !== undefined) await room;
      this.#progress.add(to - from, timesUnixNs[to - 1]!, this.#replay.bounds);
      if (this.#interrupted) await this.#end();
      from = to;
    }
  }

  async #flush(): Promise<void> {
    await this.#output.flush();
    if (this.#interrupted) await this.#end();
  }

  #interrupt(): void {
    if (this.#interrupted) Deno.exit(INTERRUPTED_EXIT_CODE);
    this.#interrupted = true;
    setTimeout(() => Deno.exit(INTERRUPTED_EXIT_CODE), INTERRUPTED_MS_MAX);
  }

  async #end(): Promise<never> {
    await this.#output.flush();
    this.#progress.stop();
    Deno.exit(INTERRUPTED_EXIT_CODE);
  }
}
