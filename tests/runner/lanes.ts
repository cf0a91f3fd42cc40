/** Several jobs at a time. */

/** Runs the jobs in their order, so many at a time; their results, in that order too. The first failure ends it. */
export async function inLanes<Result>(
  lanesCount: number,
  jobs: readonly (() => Promise<Result>)[],
): Promise<Result[]> {
  const results: Result[] = new Array(jobs.length);
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < jobs.length && !failed) {
      const index = next++;
      try {
        results[index] = await jobs[index]!();
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: lanesCount }, lane));
  return results;
}
