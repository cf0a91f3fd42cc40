/** What a benchmark reports, and how it is printed: one row a figure, beside its limit from the same run. */

/** One measured figure. */
export interface Row {
  /** What was measured, with its parameters. */
  what: string;
  /** The figure, with its unit. */
  measured: string;
  /** What it is held against in the same run (a limit of the machine, a peer), with its unit. */
  against: string;
  /** The bound that it should keep, in words; empty when the figure is only printed. */
  limit: string;
  /** Whether it did; null when there is no bound. */
  met: boolean | null;
}

export interface BenchOptions {
  /** Small sizes, to see that the benchmark itself still works. */
  smoke: boolean;
  /** Progress, one line at a time, for people. */
  progress(line: string): void;
}

export interface Bench {
  name: string;
  title: string;
  run(options: BenchOptions): Promise<Row[]>;
}

/** Nearest-rank percentiles of samples, in their unit. */
export function percentiles(samples: ArrayLike<number>): { p50: number; p99: number; min: number } {
  const sorted = Float64Array.from(samples).sort();
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return { p50: rank(0.5), p99: rank(0.99), min: sorted[0]! };
}

/** CPU, cores, memory and kernel of this machine, in one line. */
export async function machine(): Promise<string> {
  const cpus = await Deno.readTextFile("/proc/cpuinfo");
  const model = /^model name\s*:\s*(.+)$/m.exec(cpus)?.[1] ?? Deno.build.arch;
  const gib = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  return `${model}, ${navigator.hardwareConcurrency} cores, ${gib} GiB, Linux ${Deno.osRelease()}, ` +
    `Deno ${Deno.version.deno}`;
}

const VERDICTS = new Map<boolean | null, string>([[true, "met"], [false, "MISSED"], [null, ""]]);

/** Rows as a Markdown table. */
export function markdownTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.what,
    row.measured,
    row.against,
    row.limit,
    VERDICTS.get(row.met)!,
  ]);
  const lines = [["what", "measured", "beside it", "limit", ""], Array(5).fill("---"), ...cells];
  return lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
}
