/** What a channel waits for: the next frame that any of its viewers can take. */

/** A viewer that could be sent a frame. */
export interface Waiter {
  /** Its next frame has a number over this one. */
  afterFrame: number;
  /** Its next frame may go from then on; CLOCK_MONOTONIC, ns. */
  dueNs: number;
}

export interface WaitPlan {
  /** For the hub: an event once there is a frame over `afterFrame`, not before `notBeforeNs`. */
  arm: { afterFrame: number; notBeforeNs: number };
  /** When to look without an event of the hub; null = never. */
  timerNs: number | null;
}

/**
 * The hub waits for one frame and one time. That serves viewers that all wait for a frame, and viewers whose frame is
 * there and not due yet. Where there are both kinds (their caps differ) it waits for the frame, and a timer does the
 * rest. null: nobody can take anything.
 */
export function planWait(
  waiters: Iterable<Waiter>,
  headFrame: number,
  nowNs: number,
): WaitPlan | null {
  const forFrame = { afterFrame: Infinity, dueNs: Infinity };
  const forTime = { afterFrame: Infinity, dueNs: Infinity };
  for (const { afterFrame, dueNs } of waiters) {
    const group = afterFrame < headFrame && dueNs > nowNs ? forTime : forFrame;
    group.afterFrame = Math.min(group.afterFrame, afterFrame);
    group.dueNs = Math.min(group.dueNs, dueNs);
  }
  const group = forFrame.afterFrame < Infinity ? forFrame : forTime;
  if (group.afterFrame === Infinity) return null;
  return {
    arm: { afterFrame: group.afterFrame, notBeforeNs: Math.max(0, group.dueNs) },
    timerNs: group === forFrame && forTime.dueNs < Infinity ? forTime.dueNs : null,
  };
}
