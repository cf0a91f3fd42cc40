/** The systemd user unit that keeps `serve` running. */

import { UserError } from "../../core/errors.ts";

export const UNIT_NAME = "telebridge.service";

export interface UnitOptions {
  /** What is started: one word each. */
  command: readonly string[];
  environment: Readonly<Record<string, string>>;
}

/**
 * Text for systemd.unit(5). The URL with its token goes to stdout, which is kept out of the journal: that may be read by
 * other users of the groups adm and systemd-journal. The log goes to stderr, and to the journal.
 */
export function unitText({ command, environment }: UnitOptions): string {
  const [program, ...args] = command;
  const variables = Object.entries(environment).map(([name, value]) =>
    `Environment=${quoted(`${name}=${value}`)}`
  );
  return [
    "# Written by `telebridge service install`; `telebridge service uninstall` removes it.",
    "[Unit]",
    "Description=telebridge: runs live, in a browser",
    "StartLimitIntervalSec=60",
    "StartLimitBurst=5",
    "",
    "[Service]",
    "Type=exec",
    // The path is taken as it is; in arguments $ would name a variable.
    `ExecStart=${[quoted(program!), ...args.map(argument)].join(" ")}`,
    ...variables,
    "Restart=on-failure",
    "RestartSec=2",
    "# serve ends its own processes, in order.",
    "KillMode=mixed",
    "TimeoutStopSec=20",
    "# Memory limits of agents are cgroups below its own; one that runs out of memory ends alone.",
    "Delegate=memory pids",
    `Environment="TELEBRIDGE_CGROUP=delegated"`,
    "OOMPolicy=continue",
    "# The URL with its token: `telebridge token` prints it.",
    "StandardOutput=null",
    "StandardError=journal",
    "SyslogIdentifier=telebridge",
    "",
    "[Install]",
    "WantedBy=default.target",
    "",
  ].join("\n");
}

function argument(word: string): string {
  return quoted(word.replaceAll("$", "$$$$"));
}

/** As one word: systemd.syntax(7), and systemd.unit(5) for the specifiers that begin with %. */
function quoted(word: string): string {
  // deno-lint-ignore no-control-regex -- a line is a line of the unit
  if (/[\x00-\x1f]/.test(word)) {
    throw new UserError(`${JSON.stringify(word)} cannot stand in a systemd unit: it has a newline`);
  }
  return `"${word.replaceAll(/["\\]/g, (letter) => `\\${letter}`).replaceAll("%", "%%")}"`;
}
