/** The numbers over the picture, from steps, rewards and episodes. */

/** As the protocol's Hud has them. */
export interface HudNumbers {
  lastReward: number;
  /** Mean of the last second's rewards. */
  avgReward1s: number;
  stepRateHz: number;
  episode: bigint;
  step: bigint;
  /** Sum of the episode's rewards so far. */
  episodeReturn: number;
  /** NaN where there is none. */
  loss: number;
}

const WINDOW_MS = 1000;
/** Of the last second; beyond it the older half is forgotten. */
const REWARDS_MAX = 20_000;

export class Meter {
  step = 0n;
  episode = 0n;
  loss = NaN;
  #lastReward = 0;
  #episodeReturn = 0;
  #isOver = false;
  #recent: { atMs: number; reward: number; step: bigint }[] = [];

  /** A step was made. Another episode than before, or one after an end, starts a new return. */
  advance(
    nowMs: number,
    step: { step: bigint; episode: bigint; reward: number; isLast: boolean },
  ): void {
    if (step.episode !== this.episode || this.#isOver) this.#episodeReturn = 0;
    this.#isOver = step.isLast;
    this.step = step.step;
    this.episode = step.episode;
    if (!Number.isNaN(step.reward)) {
      this.#lastReward = step.reward;
      this.#episodeReturn += step.reward;
    }
    this.#recent.push({ atMs: nowMs, reward: step.reward, step: step.step });
    if (this.#recent.length > REWARDS_MAX) this.#recent.splice(0, REWARDS_MAX / 2);
  }

  numbers(nowMs: number): HudNumbers {
    const old = this.#recent.findIndex(({ atMs }) => atMs > nowMs - WINDOW_MS);
    this.#recent.splice(0, old < 0 ? this.#recent.length : old);
    const recent = this.#recent;
    const rewards = recent.map(({ reward }) => reward).filter((reward) => !Number.isNaN(reward));
    const [first, last] = [recent[0], recent.at(-1)];
    const spanMs = first && last ? last.atMs - first.atMs : 0;
    return {
      lastReward: this.#lastReward,
      avgReward1s: rewards.length === 0
        ? this.#lastReward
        : rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length,
      stepRateHz: spanMs > 0 ? Number(last!.step - first!.step) / (spanMs / 1000) : 0,
      episode: this.episode,
      step: this.step,
      episodeReturn: this.#episodeReturn,
      loss: this.loss,
    };
  }
}
