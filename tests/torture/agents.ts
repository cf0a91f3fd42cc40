/** kill -9 and SIGSTOP of agents, under a real `serve`, and what the other streams notice of it. */

import type { TestBox } from "../harness/box.ts";
import { alive, descendantsOf, stateOf } from "../harness/processes.ts";
import { processUsage } from "../harness/process_usage.ts";
import { framesOf, type Life, RingWatch } from "../harness/ring_watch.ts";
import { Serve } from "../harness/serve.ts";
import { sleep, waitFor } from "../harness/wait.ts";

const FPS = 30;
const KILL_EVERY_MS = 5_000;
/** Caches of serve fill in its first seconds; growth counts from then on. */
const WARM_UP_MS = 5_000;
/** Of serve, whose heap breathes by as much. */
const GROWTH_BYTES_MAX = 64 * 2 ** 20;

export interface AgentTortureOptions {
  agents: number;
  width: number;
  height: number;
  /** Without kills, to compare with. */
  quietSeconds: number;
  seconds: number;
  progress: (line: string) => void;
}

/** What serve has open and holds. */
interface Holdings {
  descriptors: number;
  residentBytes: number;
}

export interface AgentTortureReport {
  kills: number;
  /** Of the frames that were due, those that did not come. */
  lossQuiet: number;
  lossTortured: number;
  framesDue: number;
  /** From a kill to the first frame of the next life. */
  restartsMs: number[];
  /** From SIGSTOP to the first frame of the next life. */
  hungReplacedMs: number;
  before: Holdings;
  after: Holdings;
  /** What is wrong whatever the machine: zombies, orphans, what grows. */
  complaints: string[];
}

function configOf(runIds: readonly string[], { width, height }: AgentTortureOptions): string {
  return runIds.map((runId) =>
    `[agents.${runId}]\nwidth = ${width}\nheight = ${height}\nfps = ${FPS}\n`
  ).join("\n");
}

export async function tortureAgents(
  box: TestBox,
  options: AgentTortureOptions,
): Promise<AgentTortureReport> {
  const runIds = Array.from({ length: options.agents }, (_, i) => box.runId(`agent-${i}`));
  const config = `${box.folder}/telebridge.toml`;
  await Deno.writeTextFile(config, configOf(runIds, options));
  const watches = runIds.map((runId) => new RingWatch(runId, FPS));
  const serve = await Serve.start(box, { args: ["--config", config] });
  for (const watch of watches) watch.start();
  try {
    const torture = new AgentTorture(serve, watches, options);
    return await torture.run();
  } finally {
    for (const watch of watches) watch.stop();
  }
}

class AgentTorture {
  readonly #serve: Serve;
  readonly #watches: readonly RingWatch[];
  readonly #options: AgentTortureOptions;
  readonly #restartsMs: number[] = [];
  #hungReplacedMs = NaN;
  readonly #complaints: string[] = [];

  constructor(serve: Serve, watches: readonly RingWatch[], options: AgentTortureOptions) {
    this.#serve = serve;
    this.#watches = watches;
    this.#options = options;
  }

  async run(): Promise<AgentTortureReport> {
    const { quietSeconds, seconds, progress } = this.#options;
    for (const watch of this.#watches) {
      await waitFor("every agent's first frames", () => (watch.present?.lastTurn ?? 0) > FPS);
    }
    await sleep(WARM_UP_MS);
    const before = await this.#holdings();
    const quiet = await this.#during(() => sleep(1000 * quietSeconds));
    progress(`without kills: ${describeLoss(quiet)}`);
    const kills = Math.floor(1000 * seconds / KILL_EVERY_MS);
    const tortured = await this.#during(() => this.#torture(kills));
    progress(`with ${kills} kills: ${describeLoss(tortured)}`);
    this.#findZombies();
    const after = await this.#settledHoldings(before);
    await this.#killServe();
    return {
      kills,
      lossQuiet: lossOf(quiet),
      lossTortured: lossOf(tortured),
      framesDue: tortured.due,
      restartsMs: this.#restartsMs,
      hungReplacedMs: this.#hungReplacedMs,
      before,
      after,
      complaints: this.#complaints,
    };
  }

  /** The frames of all streams while `work` is done. A life that is ended by us has none after that, and loses none. */
  async #during(work: () => Promise<void>): Promise<{ due: number; seen: number; jumps: number }> {
    for (const watch of this.#watches) watch.reset();
    await work();
    const lives = this.#watches.flatMap(({ lives }) => lives);
    const jumps = lives.reduce((sum, life) => sum + life.jumps, 0);
    return { ...framesOf(lives), jumps };
  }

  /** One kill every five seconds, each time of the next agent; in the middle one is stopped instead. */
  async #torture(kills: number): Promise<void> {
    const startedAtMs = performance.now();
    for (let i = 0; i < kills; i++) {
      const watch = this.#watches[i % this.#watches.length]!;
      const isStop = i === kills >> 1;
      const nextAtMs = await this.#hurt(watch, isStop ? "SIGSTOP" : "SIGKILL");
      if (isStop) this.#hungReplacedMs = nextAtMs;
      else this.#restartsMs.push(nextAtMs);
      const waitMs = startedAtMs + (i + 1) * KILL_EVERY_MS - performance.now();
      await sleep(Math.max(0, waitMs));
    }
  }

  /** Resolves to the time until the agent's next life has a frame, in ms. */
  async #hurt(watch: RingWatch, signal: "SIGKILL" | "SIGSTOP"): Promise<number> {
    const life = await waitFor("the agent to live", () => watch.present);
    const hurtAtMs = performance.now();
    Deno.kill(life.producerPid, signal);
    const next = await waitFor<Life | null>(
      `the agent's next life after ${signal}`,
      () => watch.present?.producerPid === life.producerPid ? null : watch.present,
    );
    return next.beganAtMs - hurtAtMs;
  }

  async #holdings(): Promise<Holdings> {
    const descriptors = [...Deno.readDirSync(`/proc/${this.#serve.pid}/fd`)].length;
    const { residentBytes } = await processUsage(this.#serve.pid);
    return { descriptors, residentBytes };
  }

  /** After what still ends has ended; complains of what has grown. */
  async #settledHoldings(before: Holdings): Promise<Holdings> {
    let after = await this.#holdings();
    await waitFor("serve to have no more open than before", async () => {
      after = await this.#holdings();
      return after.descriptors <= before.descriptors;
    }, () => ({ before, after }));
    const grownBytes = after.residentBytes - before.residentBytes;
    if (grownBytes > GROWTH_BYTES_MAX) this.#complaints.push(`serve grew by ${grownBytes} bytes`);
    return after;
  }

  #findZombies(): void {
    const zombies = descendantsOf(this.#serve.pid).filter((pid) => stateOf(pid) === "Z");
    if (zombies.length > 0) this.#complaints.push(`zombies: ${zombies.join(", ")}`);
  }

  /** Nothing of the agents may go on without it. */
  async #killServe(): Promise<void> {
    const family = descendantsOf(this.#serve.pid);
    const { agents } = this.#options;
    if (family.length < 2 * agents) this.#complaints.push(`serve has ${family.length} descendants`);
    await this.#serve.kill();
    await waitFor("all processes of serve to end", () => alive(family).length === 0, () => {
      return alive(family);
    });
  }
}

function lossOf({ due, seen }: { due: number; seen: number }): number {
  return (due - seen) / due;
}

function describeLoss(frames: { due: number; seen: number; jumps: number }): string {
  const { due, seen, jumps } = frames;
  return `${seen} of ${due} frames, ${(100 * lossOf(frames)).toFixed(3)} % lost, ${jumps} jumps`;
}

/** p50 and the most. */
export function spread(valuesMs: readonly number[]): string {
  const sorted = valuesMs.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? NaN);
  return `p50 ${at(0.5)} ms, most ${at(1)} ms`;
}

export function describeAgents(report: AgentTortureReport): string[] {
  const { before, after } = report;
  const percent = (share: number) => `${(100 * share).toFixed(3)} %`;
  const mebibytes = ({ residentBytes }: Holdings) => `${(residentBytes / 2 ** 20).toFixed(0)} MiB`;
  return [
    `frames lost: ${percent(report.lossTortured)} of ${report.framesDue} with kills, ${
      percent(report.lossQuiet)
    } without`,
    `from kill -9 to the next life's first frame: ${spread(report.restartsMs)}`,
    `from SIGSTOP to the next life's first frame: ${(report.hungReplacedMs / 1000).toFixed(1)} s`,
    `serve before: ${before.descriptors} descriptors, ${
      mebibytes(before)
    }; after: ${after.descriptors}, ${mebibytes(after)}`,
  ];
}
