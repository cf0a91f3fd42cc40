/** `telebridge runs`: what is stored, listed, shown, tagged, deleted. */

import { Command } from "commander";
import { UserError } from "../core/errors.ts";
import type { RunRecord } from "../core/storage/records.ts";
import type { StoreReader } from "../core/storage/store.ts";
import { databasePath, openReader } from "../core/storage/open.ts";
import { DATA_DIR_FLAG, DATA_DIR_HELP, dataDirOf } from "./data_dir_option.ts";
import { openRunChanges, type RowCounts, type RunChange } from "./runs/changes.ts";
import { canAsk, confirmed } from "./runs/question.ts";
import { type Column, tableLines } from "./runs/table.ts";
import {
  ago,
  bytes,
  count,
  detailsJson,
  durationOf,
  isoTime,
  printable,
  rowsTotal,
  runJson,
} from "./runs/words.ts";
import { allRuns, openStoredRuns, storedRun } from "./stored_runs.ts";
import { unknownCommand } from "./unknown_command.ts";

const TAG_PATTERN = /^\P{Cc}{1,100}$/u;
const NOTE_CHARS_MAX = 64 * 1024;
const SERIES_SHOWN_MAX = 30;

const EXAMPLES = `
Examples:
  telebridge runs                                  all of them, newest first
  telebridge runs --tag baseline --json | jq -r '.[].run_id'
  telebridge runs show my-run
  telebridge runs tag my-run +good -draft
  telebridge runs note my-run "the seed that learns"
  telebridge runs delete my-run other-run

All of them work with a server or without one. A change goes through the server while one runs.
`;

interface Common {
  dataDir?: string;
  json?: boolean;
}

export function runsCommand(): Command {
  const runs = withTag(withCommon(new Command("runs")))
    .description("List what is stored; show, tag and delete runs.")
    .usage("[options] [command]")
    .argument("[other...]") // else a slip of the pen is "too many arguments"
    .addHelpText("after", EXAMPLES)
    .action((other: string[], options) => {
      if (other.length > 0) {
        throw unknownCommand(other[0]!, runs, ` (telebridge runs show ${other[0]} shows a run)`);
      }
      list(options);
    });
  runs.addCommand(
    withTag(withCommon(new Command("list")))
      .description("All of them, newest first; the same as runs alone.")
      .action((_, command) => list(command.optsWithGlobals())),
  );
  runs.addCommand(
    withCommon(new Command("show"))
      .description("All about one run.")
      .argument("<RUN>")
      .action((runId, _, command) => show(runId, command.optsWithGlobals())),
  );
  runs.addCommand(
    withCommon(new Command("tag"))
      .description("Change the tags of a run, or print them.")
      .argument("<RUN>")
      .argument("[CHANGES...]", "+TAG adds one, -TAG removes one")
      .option("--add <TAG>", "add a tag, whatever it begins with; again for more", collect)
      .option("--remove <TAG>", "remove a tag; again for more", collect)
      .allowUnknownOption() // -TAG
      .action((runId, changes, _, command) => tag(runId, changes, command.optsWithGlobals())),
  );
  runs.addCommand(
    withCommon(new Command("note"))
      .description("Set the note of a run, or print it.")
      .argument("<RUN>")
      .argument("[TEXT]", 'the new note; "" removes it')
      .action((runId, text, _, command) => note(runId, text, command.optsWithGlobals())),
  );
  runs.addCommand(
    withCommon(new Command("delete"))
      .description("Delete runs and all that is stored of them. Asks first.")
      .argument("<RUN...>")
      .option("--yes", "do not ask")
      .action((runIds, _, command) => deleteRuns(runIds, command.optsWithGlobals())),
  );
  return runs;
}

function withTag(command: Command): Command {
  return command.option(
    "--tag <TAG>",
    "only runs with this tag; again for more, all of which a run must have",
    collect,
  );
}

function withCommon(command: Command): Command {
  return command
    .option(DATA_DIR_FLAG, DATA_DIR_HELP)
    .option("--json", "print JSON");
}

function collect(value: string, values: string[] = []): string[] {
  return [...values, value];
}

function printJson(value: unknown): void {
  console.log(JSON.stringify(value));
}

function list({ dataDir, json, tag = [] }: Common & { tag?: string[] }): void {
  const dir = dataDirOf(dataDir);
  using reader = openReader(databasePath(dir));
  const runs = reader === null ? [] : [...allRuns(reader, tag)];
  if (json) return printJson(runs.map(runJson));
  if (runs.length === 0) {
    console.error(
      `telebridge: ${
        tag.length > 0 ? "no stored run has these tags" : `no run has been stored in ${dir} yet`
      }`,
    );
    return;
  }
  for (const line of tableLines(columns(), runs)) console.log(line);
}

/** Times since then for people, times that last for files. */
function columns(): Column<RunRecord>[] {
  const nowMs = Date.now();
  const time = (timeUnixNs: bigint) =>
    Deno.stdout.isTerminal() ? ago(timeUnixNs, nowMs) : isoTime(timeUnixNs) ?? "";
  const number = (value: number) => Deno.stdout.isTerminal() ? count(value) : String(value);
  return [
    { title: "RUN", align: "left", cell: ({ runId }) => runId },
    { title: "STATE", align: "left", cell: ({ state }) => state },
    { title: "STARTED", align: "left", cell: ({ startTimeUnixNs }) => time(startTimeUnixNs) },
    { title: "TOOK", align: "right", cell: durationOf },
    { title: "STEPS", align: "right", cell: ({ counts }) => number(counts.steps) },
    { title: "EPISODES", align: "right", cell: ({ counts }) => number(counts.episodes) },
    { title: "SAMPLES", align: "right", cell: ({ counts }) => number(counts.samples) },
    { title: "TAGS", align: "left", cell: ({ tags }) => printable(tags.join(",")) },
  ];
}

function show(runId: string, { dataDir, json }: Common): void {
  using reader = openStoredRuns(dataDirOf(dataDir));
  const run = storedRun(reader, runId);
  if (json) return printJson(detailsJson(reader, run));
  for (const line of [...summaryLines(run), ...contentLines(reader, run)]) console.log(line);
}

function summaryLines(run: RunRecord): string[] {
  const nowMs = Date.now();
  const time = (timeUnixNs: bigint) =>
    timeUnixNs === 0n ? "" : `${isoTime(timeUnixNs)} (${ago(timeUnixNs, nowMs)})`;
  const rows = Object.entries(run.counts).filter(([, rows]) => rows > 0)
    .map(([kind, rows]) => `${count(rows)} ${kind}`);
  const facts: [name: string, value: string][] = [
    ["run", run.runId],
    ["state", run.state + (run.reason === "" ? "" : `: ${printable(run.reason)}`)],
    ["started", time(run.startTimeUnixNs)],
    ["ended", time(run.endTimeUnixNs)],
    ["took", durationOf(run)],
    ["newest row", time(run.lastTimeUnixNs)],
    ["tags", printable(run.tags.join(", "))],
    ["note", printable(run.note)],
    ["rows", rows.join(", ")],
  ];
  return facts.filter(([, value]) => value !== "")
    .map(([name, value]) => `${name.padEnd(12)}${value}`);
}

function contentLines(reader: StoreReader, run: RunRecord): string[] {
  const { runId } = run;
  const series = reader.series(runId);
  const params = reader.params(runId);
  const checkpoints = reader.checkpoints(runId);
  const left = series.length - SERIES_SHOWN_MAX;
  return [
    ...section(params, [
      { title: "PARAM", align: "left", cell: ({ key }) => printable(key) },
      { title: "VALUE", align: "left", cell: ({ valueJson }) => printable(valueJson) },
    ]),
    ...section(series.slice(0, SERIES_SHOWN_MAX), [
      { title: "SERIES", align: "left", cell: ({ name }) => printable(name) },
      { title: "SAMPLES", align: "right", cell: ({ samples }) => count(samples) },
      { title: "LAST", align: "right", cell: ({ lastValue }) => String(lastValue) },
    ]),
    ...(left > 0 ? [`and ${left} more series; --json has all`] : []),
    ...section(checkpoints, [
      { title: "CHECKPOINT", align: "left", cell: ({ name }) => printable(name) },
      { title: "STEP", align: "right", cell: ({ step }) => step === null ? "" : String(step) },
      { title: "SIZE", align: "right", cell: ({ sizeBytes }) => bytes(sizeBytes) },
      { title: "SHA-256", align: "left", cell: ({ sha256 }) => sha256 },
    ]),
  ];
}

function section<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string[] {
  return rows.length === 0 ? [] : ["", ...tableLines(columns, rows)];
}

async function tag(
  runId: string,
  changes: string[],
  { dataDir, json, add = [], remove = [] }: Common & { add?: string[]; remove?: string[] },
): Promise<void> {
  const addTags = [...add];
  const removeTags = [...remove];
  for (const change of changes) {
    if (change.startsWith("--")) {
      throw new UserError(
        `there is no option ${change}; --remove=${change.slice(1)} removes a tag`,
      );
    }
    if (change.startsWith("+")) addTags.push(change.slice(1));
    else if (change.startsWith("-")) removeTags.push(change.slice(1));
    else throw new UserError(`"${change}" says nothing; +${change} adds it, -${change} removes it`);
  }
  const wrong = [...addTags, ...removeTags].find((tag) => !TAG_PATTERN.test(tag));
  if (wrong !== undefined) {
    throw new UserError(
      `"${printable(wrong)}" is no tag: 1 to 100 characters, none of them a control character`,
    );
  }
  const run = await changed(runId, { dataDir }, { addTags, removeTags });
  if (json) printJson(runJson(run));
  else console.log(printable(run.tags.join(" ")));
}

async function note(
  runId: string,
  text: string | undefined,
  { dataDir, json }: Common,
): Promise<void> {
  if (text !== undefined && text.length > NOTE_CHARS_MAX) {
    throw new UserError(`the note has ${text.length} characters; at most ${NOTE_CHARS_MAX}`);
  }
  const run = await changed(runId, { dataDir }, text === undefined ? {} : { note: text });
  if (json) printJson(runJson(run));
  else if (text === undefined) console.log(shownNote(run.note));
}

/** As it was given for files, without what commands a terminal for people. */
function shownNote(text: string): string {
  return Deno.stdout.isTerminal() ? text.split("\n").map(printable).join("\n") : text;
}

/** The run after the change; one that changes nothing needs no server and no lock. */
async function changed(runId: string, { dataDir }: Common, change: RunChange): Promise<RunRecord> {
  const dir = dataDirOf(dataDir);
  using reader = openStoredRuns(dir);
  storedRun(reader, runId);
  if (Object.values(change).some((value) => value.length > 0 || typeof value === "string")) {
    await using changes = await openRunChanges(dir);
    await changes.update(runId, change);
  }
  return storedRun(reader, runId);
}

async function deleteRuns(
  runIds: string[],
  { dataDir, json, yes }: Common & { yes?: boolean },
): Promise<void> {
  const dir = dataDirOf(dataDir);
  const ids = [...new Set(runIds)];
  const runs = existing(dir, ids);
  const rows = runs.reduce((sum, run) => sum + rowsTotal(run), 0);
  const what = ids.length === 1 ? `run ${ids[0]}` : `${ids.length} runs (${ids.join(", ")})`;
  if (!yes) {
    if (!canAsk()) {
      throw new UserError(`${what} would be deleted; --yes deletes without asking`);
    }
    if (!await confirmed(`Delete ${what} with ${count(rows)} rows for good?`)) {
      throw new UserError("nothing was deleted");
    }
  }
  const deleted: { run_id: string; rows: RowCounts }[] = [];
  await using changes = await openRunChanges(dir);
  try {
    for (const id of ids) {
      const rows = await changes.delete(id);
      deleted.push({ run_id: id, rows });
      if (!json) console.log(`deleted ${id}: ${count(rowsTotal({ counts: rows }))} rows`);
    }
  } finally {
    if (json) printJson({ deleted });
  }
}

/** All of them, or a {@link UserError}: nobody wants half of what was asked. */
function existing(dataDir: string, runIds: readonly string[]): RunRecord[] {
  using reader = openStoredRuns(dataDir);
  return runIds.map((runId) => storedRun(reader, runId));
}
