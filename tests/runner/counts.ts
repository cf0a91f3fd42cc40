/** Reads from a suite's log how many tests ran, failed and were skipped, and why they were skipped. */

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** One for each skipped test: the suite's own words, or the test's name where it gave none. */
  readonly skipReasons: readonly string[];
}

// deno-lint-ignore no-control-regex
const COLOUR_CODES = /\x1b\[[0-9;]*m/g;

/** Deno's summary: `ok | 7 passed (2 steps) | 0 failed | 1 ignored (23ms)`. */
const DENO_SUMMARY = /^(?:ok|FAILED) \| \d+ passed/;
/** An ignored test in Deno's listing: `the name ... ignored (0ms)`. */
const DENO_IGNORED = /^(.+) \.\.\. ignored/;
/** The closing line of every harness of ours, as of `make test` itself. */
const CLOSING_LINE = /^\d+ passed, \d+ failed/;
/** What any test prints for each test that it skips, on a line of its own. */
const SKIP_LINE = /^SKIP: (.+)/;

function numberBefore(word: string, line: string): number {
  return Number(line.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
}

/** Adds up all summary lines of a log; a suite may run several harnesses. */
export function countTests(log: string): Counts {
  let passed = 0, failed = 0, skippedReported = 0;
  const skipReasons: string[] = [];
  const ignoredNames: string[] = [];
  for (const line of log.replaceAll(COLOUR_CODES, "").split("\n")) {
    const reason = line.match(SKIP_LINE)?.[1];
    if (reason !== undefined) skipReasons.push(reason);
    const ignored = line.match(DENO_IGNORED)?.[1];
    if (ignored !== undefined) ignoredNames.push(ignored);
    if (!DENO_SUMMARY.test(line) && !CLOSING_LINE.test(line)) continue;
    passed += numberBefore("passed", line);
    failed += numberBefore("failed", line);
    skippedReported += numberBefore("ignored", line) + numberBefore("skipped", line);
  }
  // A test that says why and is then reported as ignored counts once.
  const unexplained = skippedReported - skipReasons.length;
  if (unexplained > 0) skipReasons.push(...ignoredNames.slice(-unexplained));
  while (skipReasons.length < skippedReported) skipReasons.push("no reason given");
  return { passed, failed, skipped: skipReasons.length, skipReasons };
}

export function sumOf(all: readonly Counts[]): Counts {
  const sum = (part: (counts: Counts) => number) =>
    all.reduce((so, counts) => so + part(counts), 0);
  return {
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    skipped: sum(({ skipped }) => skipped),
    skipReasons: all.flatMap(({ skipReasons }) => skipReasons),
  };
}

/** `make test`'s last line, and that of every harness: CLOSING_LINE reads it back. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed` + (skipped > 0 ? `, ${skipped} skipped` : "");
}
