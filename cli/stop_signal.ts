/** Ctrl-C and its like. */

/** SIGHUP: the terminal was closed. */
const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const INTERRUPTED_EXIT_CODE = 130;

/** Resolves at the first of them. The second ends the process at once. */
export function stopRequested(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = false;
  const onSignal = () => {
    if (asked) Deno.exit(INTERRUPTED_EXIT_CODE);
    asked = true;
    resolve();
  };
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, onSignal);
  return promise;
}
