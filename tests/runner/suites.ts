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
  /** Its files, where each is run by a process of its own, the command with the file behind it. */
  readonly files?: Files;
}

export interface Files {
  /** Two at a time, in this order. */
  readonly sideBySide: readonly string[];
  /** Afterwards one by one, with the machine to itself. */
  readonly alone: readonly string[];
}

const deno = Deno.execPath();

function check(name: string, ...args: string[]): Suite {
  return { name, command: [deno, ...args], minutesMax: 3, counted: "exit" };
}

const DENO_TEST = [deno, "test", "--allow-all", "--no-prompt", "--cached-only"];

/** Folders of Deno tests. They run one after another: two cores cannot hold two browsers. */
function denoTests(name: string, minutesMax: number, ...paths: string[]): Suite {
  const command = [...DENO_TEST, ...paths];
  return { name, command, minutesMax, counted: "log", filterFlag: "--filter" };
}

/**
 * A folder of Deno tests that mostly wait, so that two files share the machine well. `first` begin first: the longest,
 * so that none is left over at the end. `alone` are those that measure time, or want all of the machine.
 */
function denoFiles(
  name: string,
  minutesMax: number,
  folder: string,
  { first, alone }: { first: readonly string[]; alone: readonly string[] },
): Suite {
  const found = [...Deno.readDirSync(new URL(`../../${folder}`, import.meta.url))]
    .map((entry) => entry.name).filter((file) => file.endsWith("_test.ts")).toSorted();
  const strangers = [...first, ...alone].filter((file) => !found.includes(file));
  if (strangers.length > 0) throw new Error(`suite ${name}: ${folder} has no ${strangers}`);
  const others = found.filter((file) => !first.includes(file) && !alone.includes(file));
  const inFolder = (files: readonly string[]) => files.map((file) => `${folder}/${file}`);
  return {
    ...denoTests(name, minutesMax),
    command: [...DENO_TEST, "--no-check"], // each process would do it anew; the suite "types" has done it
    files: { sideBySide: inFolder([...first, ...others]), alone: inFolder(alone) },
  };
}

export const suites: readonly Suite[] = [
  check("format", "fmt", "--check"),
  { name: "format-c", command: ["tools/format_c.sh", "--check"], minutesMax: 3, counted: "exit" },
  check("lint", "lint"),
  check("types", "check", "."),
  denoTests("layers", 3, "tests/layers_test.ts", "tests/runner"),
  {
    name: "native",
    command: ["make", "-j2", "-C", "native", "test"],
    minutesMax: 8,
    counted: "log",
  },
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
  denoFiles("system", 8, "tests/system", {
    first: ["video_harm_test.ts", "ingest_test.ts", "flow_test.ts", "auth_test.ts"],
    alone: ["video_test.ts"],
  }),
  denoTests("torture", 8, "tests/torture"),
  // The same tests for each client: both store the same.
  denoFiles("clients", 14, "tests/clients", { first: ["rows_test.ts"], alone: ["outage_test.ts"] }),
  // The one file of `make dist`, on a machine that has nothing else.
  denoTests("dist", 8, "tests/dist"),
  denoTests("browser", 15, "tests/browser"),
  // Small sizes, whose figures mean little: this shows that no benchmark has rotted.
  { ...check("bench", "run", "--allow-all", "bench/run.ts", "--smoke"), minutesMax: 5 },
];
