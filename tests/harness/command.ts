/** `telebridge ARGS` in a process of its own. */

import { ROOT, type TestBox } from "./box.ts";

export const DENO_ARGS = ["run", "--allow-all", "--quiet", `${ROOT}main.ts`];

export interface Ended {
  code: number;
  stdout: string;
  stdoutBytes: Uint8Array<ArrayBuffer>;
  stderr: string;
}

/** Runs it to its end, on the box's data. */
export async function telebridge(box: TestBox, ...args: string[]): Promise<Ended> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: [...DENO_ARGS, ...args],
    env: environmentOf(box),
    stdin: "null",
  }).output();
  return endedOf(output);
}

/** Starts it; it is killed at the box's end. */
export function startTelebridge(box: TestBox, ...args: string[]): Deno.ChildProcess {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...DENO_ARGS, ...args],
    env: environmentOf(box),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  box.onEnd(async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await child.status;
  });
  return child;
}

/** Runs a line of bash in which `telebridge` is the command. */
export async function shell(box: TestBox, line: string): Promise<Ended> {
  const command = [Deno.execPath(), ...DENO_ARGS].map((word) => `'${word}'`).join(" ");
  const output = await new Deno.Command("bash", {
    args: ["-c", `telebridge() { ${command} "$@"; }\n${line}`],
    env: environmentOf(box),
    stdin: "null",
  }).output();
  return endedOf(output);
}

function environmentOf(box: TestBox): Record<string, string> {
  return { ...box.environment, TELEBRIDGE_DATA_DIR: box.dataDir };
}

export function endedOf(output: Deno.CommandOutput): Ended {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    code: output.code,
    stdout: text(output.stdout),
    stdoutBytes: output.stdout,
    stderr: text(output.stderr),
  };
}
