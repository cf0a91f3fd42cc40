/** The suites that `make test` runs, in this order: quick ones first, the browser near the end. */

export interface Suite {
  /** What `make test SUITE=…` calls it. */
  readonly name: string;
  /** Run from the project's folder. */
  readonly command: readonly string[];
  /** A bound against hangs, not on speed: several times what a slow machine needs. */
  readonly minutesMax: number;
  /** `log`: it counts its tests itself (see counts.ts). `exit`: it is one test, and its status tells. */
  readonly counted: "log" | "exit";
  /** How a part of it is chosen; absent where it can only run whole. */
  readonly filterFlag?: string;
}

const deno = Deno.execPath();

function check(name: string, ...args: string[]): Suite {
  return { name, command: [deno, ...args], minutesMax: 3, counted: "exit" };
}

/** A folder of Deno tests. They run one after another: two cores cannot hold two browsers. */
function denoTests(name: string, minutesMax: number, ...paths: string[]): Suite {
  const command = [deno, "test", "--allow-all", "--no-prompt", "--cached-only", ...paths];
  return { name, command, minutesMax, counted: "log", filterFlag: "--filter" };
}

export const suites: readonly Suite[] = [
  check("format", "fmt", "--check"),
  { name: "format-c", command: ["tools/format_c.sh", "--check"], minutesMax: 3, counted: "exit" },
  check("lint", "lint"),
  check("types", "check", "."),
  denoTests("layers", 3, "tests/layers_test.ts", "tests/runner"),
  { name: "native", command: ["make", "-C", "native", "test"], minutesMax: 8, counted: "log" },
  denoTests("unit", 5, "tests/unit", "tests/viewer"),
  {
    name: "python",
    command: ["tests/python/run.sh"],
    minutesMax: 8,
    counted: "log",
    filterFlag: "-k",
  },
  // What is handed on: licences, the clients' packages.
  denoTests("pack", 5, "tests/pack"),
  denoTests("system", 8, "tests/system"),
  denoTests("torture", 8, "tests/torture"),
  // The same tests for each client: both store the same.
  denoTests("clients", 14, "tests/clients"),
  // The one file of `make dist`, on a machine that has nothing else.
  denoTests("dist", 8, "tests/dist"),
  denoTests("browser", 15, "tests/browser"),
  // Small sizes, whose figures mean little: this shows that no benchmark has rotted.
  { ...check("bench", "run", "--allow-all", "bench/run.ts", "--smoke"), minutesMax: 5 },
];
