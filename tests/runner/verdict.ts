/** Decides what came out of a suite from how it ended and what it logged. */
import { type Counts, countTests } from "./counts.ts";
import type { Suite } from "./suites.ts";

export interface Ending {
  readonly exitStatus: number;
  readonly seconds: number;
  /** Only some of its tests were asked for, so that none may be right. */
  readonly filtered: boolean;
  /** One file of several: all of its tests may be such as this machine must skip. */
  readonly isPart: boolean;
}

export interface Verdict {
  readonly counts: Counts;
  /** What went wrong beyond single tests. */
  readonly complaint?: string;
}

/** A suite that ends badly, hangs or runs no test has failed, whatever it says of its tests. */
export function judge(suite: Suite, ending: Ending, log: string): Verdict {
  const counted = countTests(log);
  const counts = suite.counted === "log"
    ? counted
    : { ...counted, passed: ending.exitStatus === 0 ? 1 : 0, failed: 0 };
  const complaint = complaintAbout(suite, ending, counts);
  if (complaint === undefined) return { counts };
  return { counts: { ...counts, failed: Math.max(1, counts.failed) }, complaint };
}

function complaintAbout(suite: Suite, ending: Ending, counts: Counts): string | undefined {
  if (ending.seconds >= suite.minutesMax * 60) {
    return `hung: ended after ${suite.minutesMax} minutes`;
  }
  if (ending.exitStatus !== 0) return `exited with status ${ending.exitStatus}`;
  if (counts.failed > 0) return "exited with status 0 although tests failed";
  const mayBeEmpty = ending.filtered || (ending.isPart && counts.skipped > 0);
  if (counts.passed === 0 && !mayBeEmpty) return "ran no test";
}
