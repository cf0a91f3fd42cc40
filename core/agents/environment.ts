/** What an agent's process finds in its environment: ours without what is meant for us, its own, and where it belongs. */

import type { AgentConfig } from "./config.ts";
import type { Placement } from "./plan.ts";

/**
 * Of our own variables those that a worker needs too, and its keeper (TELEBRIDGE_CGROUP, native/keeper/cgroup.h). Others
 * are settings of `serve`, and may hold tokens; systemd's are about our process.
 */
const KEPT = new Set(["TELEBRIDGE_RUNTIME_DIR", "TELEBRIDGE_LIBRARY", "TELEBRIDGE_CGROUP"]);
const OURS =
  /^(TELEBRIDGE_|(NOTIFY_SOCKET|LISTEN_FDS|LISTEN_PID|LISTEN_FDNAMES|WATCHDOG_PID|WATCHDOG_USEC|INVOCATION_ID|JOURNAL_STREAM)$)/;

export function agentEnvironment(
  config: AgentConfig,
  { gpu }: Placement,
  given: { environment: Readonly<Record<string, string>>; dataDir: string },
): Record<string, string> {
  const inherited = Object.entries(given.environment)
    .filter(([name]) => KEPT.has(name) || !OURS.test(name));
  return {
    ...Object.fromEntries(inherited),
    // Else Python keeps what it prints for a long time, and its last words are lost where it is killed.
    PYTHONUNBUFFERED: "1",
    // Programs of other people do not know --gpu. The order is that of nvidia-smi, as it is ours.
    ...(gpu === null || config.source.kind === "agent"
      ? {}
      : { CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: String(gpu) }),
    ...config.env,
    TELEBRIDGE_RUN: config.name,
    TELEBRIDGE_DATA_DIR: given.dataDir,
    ...(gpu === null ? {} : { TELEBRIDGE_GPU: String(gpu) }),
  };
}
