/** Waiting for what a test needs, with a bound against hangs and never against slowness. */

const POLL_MS = 50;
/** Several times what a loaded two-core machine needs for anything that the tests wait for. */
const WAIT_MS_MAX = 30_000;

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Asks `probe` until it gives something that is neither null, undefined nor false, and returns that. Throws after 30 s
 * and says what was waited for and what the last answer was.
 */
export async function waitFor<Found>(
  what: string,
  probe: () => Found | Promise<Found>,
  describe: () => unknown = () => undefined,
): Promise<Exclude<Found, null | undefined | false>> {
  const deadline = Date.now() + WAIT_MS_MAX;
  while (true) {
    const found = await probe();
    if (found !== null && found !== undefined && found !== false) {
      return found as Exclude<Found, null | undefined | false>;
    }
    if (Date.now() > deadline) {
      const seen = JSON.stringify(await describe());
      throw new Error(`waited ${WAIT_MS_MAX / 1000} s for ${what}${seen ? `; seen: ${seen}` : ""}`);
    }
    await sleep(POLL_MS);
  }
}
