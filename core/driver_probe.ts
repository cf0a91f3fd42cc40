/** Somebody else's driver may hang or crash: it is asked in a process of its own, `telebridge probe NAME`. */

import { runChild } from "./child.ts";

/** Before the answer, on a line of its own. */
const ANSWER = "probe: ";

/** The process was ended by a signal: whatever it asked is broken. */
export class ProbeCrashed extends Error {}

/** What the probe says: on a line of its own, since a driver may write before it. */
export function probeAnswer(answer: { found: unknown } | { error: string }): string {
  return `\n${ANSWER}${JSON.stringify(answer)}`;
}

/** `program` is this one: the executable and its first arguments. Throws what the probe threw, or {@link ProbeCrashed}. */
export async function askProbe<Found>(
  name: string,
  program: readonly string[],
  signal: AbortSignal,
  args: readonly string[] = [],
): Promise<Found> {
  const ended = await runChild([...program, "probe", name, ...args], signal);
  if (ended === null) throw new Error(`cannot start ${program[0]}`);
  // Drivers may have written before it, and crashed after it.
  const line = ended.stdout.trimEnd().split("\n").at(-1)!;
  if (line.startsWith(ANSWER)) {
    const { found, error } = JSON.parse(line.slice(ANSWER.length));
    if (error !== undefined) throw new Error(error);
    return found;
  }
  if (ended.signal !== null) throw new ProbeCrashed(`ended by ${ended.signal}`);
  throw new Error(ended.stderr.trimEnd().split("\n").at(-1) || `exit code ${ended.code}`);
}
