/** Other programs, asked for what they know: they may be missing, hang, crash or say too much. */

const OUTPUT_BYTES_MAX = 1024 * 1024;

export interface ChildEnded {
  code: number;
  /** What ended it, "SIGSEGV"; null when it ended by itself. */
  signal: Deno.Signal | null;
  stdout: string;
  stderr: string;
}

/** Runs it to its end, with no input. null: there is no such program. When `signal` comes it is killed, and not waited for. */
export async function runChild(
  command: readonly string[],
  signal: AbortSignal,
  options: { cwd?: string; environment?: Record<string, string> } = {},
): Promise<ChildEnded | null> {
  const [program, ...args] = command;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program!, {
      args,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { LC_ALL: "C", ...options.environment },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable;
    if (isMissing) return null;
    throw error;
  }
  const kill = () => killIfAny(child, "SIGKILL");
  signal.addEventListener("abort", kill);
  const [stdout, stderr, status] = await Promise.all([
    textOf(child.stdout, kill),
    textOf(child.stderr, kill),
    child.status,
  ]);
  signal.removeEventListener("abort", kill);
  return { code: status.code, signal: status.signal, stdout, stderr };
}

async function textOf(output: Deno.ChildProcess["stdout"], onTooMuch: () => void): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytesCount = 0;
  for await (const bytes of output) {
    bytesCount += bytes.byteLength;
    if (bytesCount > OUTPUT_BYTES_MAX) {
      onTooMuch();
      break;
    }
    text += decoder.decode(bytes, { stream: true });
  }
  return text;
}

/** Sends a signal to one that may have ended already. */
export function killIfAny(child: Deno.ChildProcess | null, signal: Deno.Signal): void {
  try {
    child?.kill(signal);
  } catch {
    // It has.
  }
}

/** What is said of it: "ended with code 1". */
export function howEnded({ code, signal }: Deno.CommandStatus): string {
  return signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
}

/** The first line of its standard output, or of its standard error; null where it is missing or fails. */
export async function firstLine(
  command: readonly string[],
  signal: AbortSignal,
): Promise<string | null> {
  const ended = await runChild(command, signal);
  if (ended === null || ended.code !== 0) return null;
  return (ended.stdout || ended.stderr).split("\n")[0]!.trim();
}
