/** What was found, for people and for programs. */

import { styleText } from "node:util";
import type { Change, Finding, Level } from "./check.ts";

const CHANGES_MAX = 3;
const WIDTH_MAX = 80;
const WIDTH_MIN = 40;
const LEVEL_WIDTH = 6;
const NAME_WIDTH = 11;

const COLOURS = { ok: "green", note: "gray", warn: "yellow", fail: "red" } as const;

/** Whether `serve` can run. */
export function isWell(findings: readonly Finding[]): boolean {
  return findings.every(({ level }) => level !== "fail");
}

/** The two or three things worth changing: what stops `serve` first. */
export function changesOf(findings: readonly Finding[]): Change[] {
  const withLevel = (wanted: Level) =>
    findings.flatMap(({ level, change }) => level === wanted && change ? [change] : []);
  const changes = [...withLevel("fail"), ...withLevel("warn")];
  const isFirst = (change: Change, at: number) =>
    changes.findIndex(({ command }) => command === change.command) === at;
  return changes.filter(isFirst).slice(0, CHANGES_MAX);
}

export function jsonOf(
  findings: readonly Finding[],
  about: { version: string; host: string; tookMs: number },
): Record<string, unknown> {
  return {
    version: about.version,
    host: about.host,
    can_serve: isWell(findings),
    took_ms: Math.round(about.tookMs),
    checks: findings.map(({ name, level, text, facts = {}, change }) => ({
      name,
      level,
      text,
      facts,
      ...(change === undefined ? {} : { change }),
    })),
    worth_changing: changesOf(findings),
  };
}

/** Lines of at most 80 characters, but for commands, which are whole; coloured where stdout is a terminal. */
export function reportLines(findings: readonly Finding[], columns: number): string[] {
  const width = Math.max(WIDTH_MIN, Math.min(columns, WIDTH_MAX));
  const lines = findings.flatMap((finding) => findingLines(finding, width));
  const changes = changesOf(findings);
  const verdict = isWell(findings)
    ? styleText("green", "serve can run here.")
    : styleText("red", "serve cannot run here as it is.");
  if (changes.length === 0) return [...lines, "", `${verdict} Nothing needs a change.`];
  return [
    ...lines,
    "",
    `${verdict} Worth changing:`,
    ...changes.flatMap(({ why, command }, at) => [
      ...wrapped(why, width - 3).map((line, row) => (row === 0 ? `${at + 1}. ` : "   ") + line),
      `     ${styleText("bold", command)}`,
    ]),
  ];
}

function findingLines({ name, level, text }: Finding, width: number): string[] {
  const indent = " ".repeat(LEVEL_WIDTH + NAME_WIDTH);
  const [first = "", ...rest] = wrapped(oneLine(text), width - indent.length);
  const head = styleText(COLOURS[level], level.padEnd(LEVEL_WIDTH)) + name.padEnd(NAME_WIDTH);
  return [head + first, ...rest.map((line) => indent + line)];
}

/** What drivers and other programs said must not command a terminal. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex -- these are what it is about
  return text.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ");
}

/** Between words; a word that is longer than a line has one of its own. */
function wrapped(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
