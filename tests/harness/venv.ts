/** A virtual environment that holds nothing yet; numpy and grpcio are Debian's. */

import assert from "node:assert/strict";

const DEBIAN_PYTHON = "/usr/bin/python3";

export class Venv {
  readonly python: string;

  private constructor(folder: string) {
    this.python = `${folder}/bin/python`;
  }

  static create(folder: string): Venv {
    run(DEBIAN_PYTHON, ["-m", "venv", "--without-pip", "--system-site-packages", folder]);
    return new Venv(folder);
  }

  /** Installs a file without the network, and with nothing that it could find of this clone. */
  install(file: string, ...options: string[]): void {
    const pip = ["-m", "pip", "--disable-pip-version-check", "--quiet", "--python", this.python];
    run(DEBIAN_PYTHON, [...pip, "install", "--no-index", "--no-deps", ...options, file]);
  }

  /** What the environment's Python prints. */
  output(...args: string[]): string {
    return run(this.python, ["-P", ...args]);
  }
}

function run(command: string, args: string[]): string {
  const output = new Deno.Command(command, {
    args,
    cwd: "/",
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin", HOME: Deno.env.get("HOME") ?? "/" },
  }).outputSync();
  const [stdout, stderr] = [output.stdout, output.stderr].map((b) => new TextDecoder().decode(b));
  assert(output.success, `${command} ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout!;
}
