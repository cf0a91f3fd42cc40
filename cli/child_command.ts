/** Somebody else's command, run as if we were not there: its output, its signals, its exit code. */

import { killIfAny } from "../core/child.ts";
import { UserError } from "../core/errors.ts";

/** As a shell answers. */
const NOT_FOUND_EXIT_CODE = 127;
const NOT_EXECUTABLE_EXIT_CODE = 126;

/** The command did not start; `exitCode` is what a shell would answer. */
export class NotStarted extends UserError {
  constructor(readonly exitCode: number, message: string) {
    super(message);
  }
}

type Output = Deno.ChildProcess["stdout"];

/** Throws {@link NotStarted}. Without `stderr` the command has ours. */
export function startCommand(
  command: readonly string[],
  { environment = {}, stderr = "inherit" }: {
    environment?: Record<string, string>;
    stderr?: "piped" | "inherit";
  } = {},
): Deno.ChildProcess {
  const [program, ...args] = command;
  try {
    return new Deno.Command(program!, {
      args,
      env: environment,
      stdin: "inherit",
      stdout: "piped",
      stderr,
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new NotStarted(NOT_FOUND_EXIT_CODE, `there is no command ${program}`);
    }
    const { message } = error as Error;
    throw new NotStarted(NOT_EXECUTABLE_EXIT_CODE, `cannot start ${program}: ${message}`);
  }
}

/**
 * Shows `take` all of `output`, and hands it on to `onward` (null: nowhere). When nobody reads there any more, `output` is
 * closed, so that the command is told as it would be without us. When it cannot be written there for another reason (a
 * full disk), `onFailure` is told once, and `take` goes on.
 */
export async function passThrough(
  output: Output,
  onward: { writeSync(bytes: Uint8Array): number } | null,
  { take, onFailure }: {
    take: (bytes: Uint8Array<ArrayBuffer>) => void;
    onFailure: (error: unknown) => void;
  },
): Promise<void> {
  let failed = onward === null;
  for await (const bytes of output) {
    take(bytes);
    if (failed) continue;
    try {
      writeAll(onward!, bytes);
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) return;
      failed = true;
      onFailure(error);
    }
  }
}

/** At once, and waiting for a slow reader: that is what the command would do too. */
function writeAll(onward: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) at += onward.writeSync(bytes.subarray(at));
}

const PASSED_ON = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** The keyboard sends these to all processes of the terminal's foreground group, the command among them. */
const FROM_KEYBOARD: readonly string[] = ["SIGINT", "SIGQUIT"];

/** Passes signals on to the command instead of ending by them, until the result is called. */
export function passSignals(child: Deno.ChildProcess): () => void {
  const handlers = PASSED_ON.map((signal) => {
    const handler = () => {
      if (FROM_KEYBOARD.includes(signal) && isInForeground()) return;
      killIfAny(child, signal);
    };
    Deno.addSignalListener(signal, handler);
    return () => Deno.removeSignalListener(signal, handler);
  });
  return () => handlers.forEach((remove) => remove());
}

/** Whether our process group is the one that the terminal's keys go to: proc(5), pgrp and tpgid. */
function isInForeground(): boolean {
  try {
    const stat = Deno.readTextFileSync("/proc/self/stat");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[2] === fields[5];
  } catch {
    return false;
  }
}
