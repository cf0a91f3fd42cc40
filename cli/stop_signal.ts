/** Ctrl-C and its like. */

const INTERRUPTED_EXIT_CODE = 130;

/** Resolves at the first SIGINT or SIGTERM. The second ends the process at once. */
export function stopRequested(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = false;
  const onSignal = () => {
    if (asked) Deno.exit(INTERRUPTED_EXIT_CODE);
    asked = true;
    resolve();
  };
  Deno.addSignalListener("SIGINT", onSignal);
  Deno.addSignalListener("SIGTERM", onSignal);
  return promise;
}
