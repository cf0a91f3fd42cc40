/** One output of a stream: when it is asked for keyframes, and how much of it its viewers can take. */

import { KeyframeDesk } from "./keyframe_desk.ts";
import { RateControl } from "./rate_control.ts";
import type { VideoViewer } from "./video_viewer.ts";

const NS_PER_S = 1e9;

export class OutputLane {
  /** {@link import("../ffi/stream.ts").VideoOutput} */
  readonly output: number;
  readonly desk = new KeyframeDesk();
  #control = new RateControl();
  #packetsMade = 0;
  #countedNs = 0;

  constructor(output: number) {
    this.output = output;
  }

  /** Of the default bitrate or quality. */
  get share(): number {
    return this.#control.share;
  }

  get rateMaxHz(): number | null {
    return this.#control.rateMaxHz;
  }

  /** A packet came. */
  came(keyframe: boolean): void {
    this.#packetsMade++;
    if (keyframe) this.desk.came();
  }

  /** Another size: what the link takes is found anew. */
  restart(): void {
    this.#control = new RateControl();
  }

  /** Judges the viewers when it is time to; returns whether share or rate changed. */
  adapt(nowNs: number, viewers: readonly VideoViewer[], defaultKbps: number): boolean {
    if (viewers.length === 0 || !this.#control.isDue(nowNs)) return false;
    const madeHz = this.#packetsMade * NS_PER_S / (nowNs - this.#countedNs);
    this.#packetsMade = 0;
    this.#countedNs = nowNs;
    const verdicts = viewers.map(({ subscription: { meter, pacer, oldestUnwrittenNs } }) =>
      meter.judge(nowNs, pacer.oldestUnackedNs, oldestUnwrittenNs)
    );
    return this.#control.step(nowNs, verdicts, madeHz, defaultKbps);
  }
}
