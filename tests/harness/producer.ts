/** A real producer in a process of its own: publishes test cards into a ring, and reports the input that it gets. */

import type { ProducerHud, ProducerInput } from "../../ffi/producer.ts";
import { ROOT, type TestBox } from "./box.ts";
import { LineReader } from "./line_reader.ts";
import type { TestCard } from "./test_card.ts";
import type { VideoCard } from "./video_card.ts";

/** A moving picture, RGB8 or the producer's own H.264. */
export interface VideoPlan extends VideoCard {
  /** Another size, from this frame on. */
  resized: { fromFrame: number; width: number; height: number } | null;
  /** Publishes access units; the bar code counts to {@link ENCODED_FRAMES} and begins anew. */
  encoded: boolean;
}

/** A multiple of the keyframes' distance. */
export const ENCODED_FRAMES = 60;

export interface ProducerPlan {
  run: string;
  card: TestCard;
  /** Published instead of the card. */
  video: VideoPlan | null;
  framesPerSecond: number;
  /** Asks the gate before every frame, as a worker that can be paused does. */
  gated: boolean;
  /** A heat map of this size whose cells all hold this heat. */
  overlay: { width: number; height: number; heat: number } | null;
  /** Written once, before the first frame. */
  hud: ProducerHud | null;
}

/** What the child says, one JSON object a line. Frames are not reported: the page shows them. */
export type ProducerReport =
  | { kind: "ready" }
  | { kind: "input"; input: Omit<ProducerInput, "tNs"> };

export class TestProducer {
  readonly plan: ProducerPlan;
  readonly #child: Deno.ChildProcess;
  /** Input events in the order in which they came. */
  readonly inputs: Omit<ProducerInput, "tNs">[] = [];

  private constructor(plan: ProducerPlan, child: Deno.ChildProcess) {
    this.plan = plan;
    this.#child = child;
  }

  static async start(box: TestBox, plan: ProducerPlan): Promise<TestProducer> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--allow-all",
        "--quiet",
        `${ROOT}tests/harness/producer_child.ts`,
        JSON.stringify(plan),
      ],
      env: box.environment,
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const producer = new TestProducer(plan, child);
    const lines = new LineReader(child.stdout);
    await lines.next("the producer");
    producer.#collect(lines);
    box.onEnd(() => producer.stop());
    return producer;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Closes the run cleanly. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** Dies without a word, as a crashed trainer does. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  async #collect(lines: LineReader): Promise<void> {
    try {
      while (true) {
        const report: ProducerReport = JSON.parse(await lines.next("the producer"));
        if (report.kind === "input") this.inputs.push(report.input);
      }
    } catch {
      // The child has ended.
    }
  }

  async #end(signal: Deno.Signal): Promise<void> {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended already.
    }
    await this.#child.status;
  }
}
