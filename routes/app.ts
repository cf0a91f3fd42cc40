/** What the routes share. */

import type { RunSummary } from "../proto/wire.ts";
import type { AgentsSetup } from "../core/agents/assemble.ts";
import type { Journals } from "../core/agents/journals.ts";
import type { AgentSupervisor } from "../core/agents/supervisor.ts";
import type { History } from "../core/durable/history.ts";
import type { DurableLane } from "../core/durable/lane.ts";
import type { HostRules } from "../core/hosts.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Sessions } from "../core/sessions.ts";
import type { Authority } from "../core/tokens.ts";
import type { AssetFiles } from "./asset_files.ts";
import type { Snapshots } from "./snapshots.ts";

/** Where a page finds WebTransport. */
export interface WebTransportOffer {
  /** UDP port. */
  port: number;
  /** Loopback's address on which it listens, as it stands in a URL. */
  loopbackHost: string;
  /** Hashes of the certificates that may be shown, newest first. */
  certificateHashes: Uint8Array<ArrayBuffer>[];
}

export interface App {
  /** Name of the cookie that holds the token. */
  cookieName: string;
  tls: boolean;
  startedAtMs: number;
  authority: Authority;
  hosts: HostRules;
  sessions: Sessions;
  metrics: Metrics;
  assets: AssetFiles;
  snapshots: Snapshots;
  runs: () => RunSummary[];
  durable: DurableLane;
  history: History;
  agents: {
    supervisor: AgentSupervisor;
    journals: Journals;
    reread: AgentsSetup["reread"];
  };
  /** Where the files of checkpoints are. */
  dataDir: string;
  /** null while no UDP port can be had. */
  webTransport: () => WebTransportOffer | null;
}
