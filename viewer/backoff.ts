/** How long to wait before the next attempt to connect: doubling, with jitter so that pages do not come back at once. */

const FIRST_MS = 250;
const LONGEST_MS = 5_000;

/** `attempt` counts from 0; `random` is in [0, 1). The result is between half and the whole of the doubled delay. */
export function backoffMs(attempt: number, random: number): number {
  const ceilingMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt);
  return ceilingMs * (0.5 + random / 2);
}
