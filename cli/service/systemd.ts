/** systemd of this user, as far as it is here. */

import { messageOf, UserError } from "../../core/errors.ts";

const WITHOUT_SYSTEMD = `a container, WSL or another init system? These do the same there:
  tmux new -d -s telebridge 'telebridge serve'       until the machine stops
  setsid nohup telebridge serve >/dev/null 2>telebridge.log &
or start \`telebridge serve\` by the container's own entry point; telebridge service install --dry-run
prints the unit, for an init system that reads it`;

export interface Ended {
  success: boolean;
  code: number;
  text: string;
}

/** Where units of this user are (systemd.unit(5)). */
export function unitFolder(environment: Readonly<Record<string, string>>): string {
  const { XDG_CONFIG_HOME, HOME } = environment;
  if (XDG_CONFIG_HOME) return `${XDG_CONFIG_HOME}/systemd/user`;
  if (HOME) return `${HOME}/.config/systemd/user`;
  throw new UserError("neither HOME nor XDG_CONFIG_HOME is set: there is no place for the unit");
}

/** Throws {@link UserError} that says what to do instead, where there is none to talk to. */
export async function checkSystemd(): Promise<void> {
  const ended = await tryRun("systemctl", "--user", "show", "--property=Version");
  if (ended === null) throw new UserError(`there is no systemctl here: ${WITHOUT_SYSTEMD}`);
  if (ended.success) return;
  const session = Deno.env.has("XDG_RUNTIME_DIR")
    ? ""
    : "\nAfter su or sudo, log in as that user instead (machinectl shell, ssh): XDG_RUNTIME_DIR is not set";
  throw new UserError(
    `systemd --user does not answer (${ended.text.split("\n")[0]}): ${WITHOUT_SYSTEMD}${session}`,
  );
}

/** Throws {@link UserError} with what it says when it fails. */
export async function systemctl(...args: string[]): Promise<void> {
  const ended = await tryRun("systemctl", "--user", ...args);
  if (ended?.success) return;
  throw new UserError(
    `systemctl --user ${args.join(" ")} failed: ${ended?.text ?? "it is missing"}`,
  );
}

/** null: there is no such program. */
export async function tryRun(program: string, ...args: string[]): Promise<Ended | null> {
  try {
    const output = await new Deno.Command(program, { args, stdin: "null" }).output();
    const text = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes))
      .join("").trim();
    return { success: output.success, code: output.code, text };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new UserError(`cannot start ${program}: ${messageOf(error)}`);
  }
}

/** Whether services of this user run while he is not logged in; null where nobody can tell. */
export async function lingers(): Promise<boolean | null> {
  const ended = await tryRun("loginctl", "show-user", String(Deno.uid()), "--property=Linger");
  if (ended === null || !ended.success) return null;
  return ended.text.includes("Linger=yes");
}
