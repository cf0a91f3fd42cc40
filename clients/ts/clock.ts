/** CLOCK_REALTIME with the resolution of `performance.now()`. */

/** A step of the system's clock beyond this is followed. */
const DRIFT_MS_MAX = 5;

let anchorMs = performance.timeOrigin;

/** ns since 1970. */
export function unixNs(): bigint {
  const monotonicMs = performance.now();
  const wallMs = Date.now();
  if (Math.abs(anchorMs + monotonicMs - wallMs) > DRIFT_MS_MAX) anchorMs = wallMs - monotonicMs;
  return BigInt(Math.round((anchorMs + monotonicMs) * 1000)) * 1000n;
}

/** Monotonic, ns. Not the kernel's CLOCK_MONOTONIC, which JavaScript does not show: its origin is this process's start. */
export function monotonicNs(): bigint {
  return BigInt(Math.round(performance.now() * 1000)) * 1000n;
}
