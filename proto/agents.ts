/** Supervised agents as pages and programs read them: JSON of `/api/agents`. */

/**
 * `starting`: its process is being made. `stopping`: it was asked to end. `restarting`: it ended and will be started again
 * at `nextStartAtMs`. `crash-loop`: it ended too often too soon, and waits for a person. `stopped`: nobody wants it to run.
 * `failed`: it ended, and its restart policy says to leave it.
 */
export type AgentState =
  | "starting"
  | "running"
  | "stopping"
  | "stopped"
  | "restarting"
  | "crash-loop"
  | "failed";

/** `GET /api/agents`, in the order of the configuration file. */
export interface AgentsAnswer {
  agents: AgentStatus[];
  /** The server's clock, which the times are of. */
  nowMs: number;
}

/** Times are ms since 1970; null: there is none, or nobody knows. */
export interface AgentStatus {
  /** Also the id of its run. */
  name: string;
  state: AgentState;
  /** Of the command; null while there is no process. */
  pid: number | null;
  /** Starts after the first that no person asked for. */
  restarts: number;
  startedAtMs: number | null;
  /** While `restarting`. */
  nextStartAtMs: number | null;
  /** How its last process ended, in words. */
  lastEnd: { atMs: number; text: string } | null;
  /** Pictures published in the last second. */
  fps: number | null;
  /** What encodes: that of the configuration, or what placement chose. */
  encoder: string | null;
  /** Index of the GPU that it was given. */
  gpu: number | null;
  /** Where its pictures come from. */
  source: string;
  /** Why this source, GPU and encoder. */
  sourceWhy: string;
  rssBytes: number | null;
  memoryMaxBytes: number | null;
  /** Of one core, over the last second or so. */
  cpuPercent: number | null;
  /** What was started, for people; of the configuration while nothing was. */
  command: string[];
  /** What is wrong with a process that runs, in words: hung, frozen, black. null: nothing is known to be. */
  health: string | null;
}
