/** All checks at once. Each has its own time, so that none holds up the others. */

import { messageOf } from "../../core/errors.ts";
import type { Box, Check, Finding } from "./check.ts";

const DEFAULT_MS_MAX = 3_000;

/** In the order of the checks, whichever ends first. */
export async function runChecks(checks: readonly Check[], box: Box): Promise<Finding[]> {
  return (await Promise.all(checks.map((check) => runCheck(check, box)))).flat();
}

async function runCheck(check: Check, box: Box): Promise<readonly Finding[]> {
  const { name, msMax = DEFAULT_MS_MAX } = check;
  const giveUp = new AbortController();
  const { promise: late, resolve } = Promise.withResolvers<readonly Finding[]>();
  const timer = setTimeout(() => {
    resolve([{ name, level: "warn", text: `no answer in ${msMax / 1000} s` }]);
    giveUp.abort();
  }, msMax);
  try {
    return await Promise.race([Promise.resolve().then(() => check.run(box, giveUp.signal)), late]);
  } catch (error) {
    return [{ name, level: "warn", text: `cannot tell: ${messageOf(error)}` }];
  } finally {
    clearTimeout(timer);
  }
}
