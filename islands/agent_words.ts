/** An agent's state, its troubles and its figures as words. */

import type { AgentState, AgentStatus } from "../proto/agents.ts";
import { formatAge, formatBytes, formatRate, formatSentence } from "./format.ts";
import type { ChipTone } from "./phase_chip.tsx";

/** Of a figure that there is not. */
export const NONE = "–";

const STATES: Readonly<Record<AgentState, [label: string, tone: ChipTone]>> = {
  starting: ["Starting", "warn"],
  running: ["Running", "live"],
  stopping: ["Stopping", "warn"],
  stopped: ["Stopped", "quiet"],
  restarting: ["Restarting", "warn"],
  "crash-loop": ["Crash loop", "bad"],
  failed: ["Failed", "bad"],
};

/** In the order in which a person should hear of them. */
const SUMMARY: readonly AgentState[] = [
  "crash-loop",
  "failed",
  "restarting",
  "starting",
  "running",
  "stopping",
  "stopped",
];

/** What is wrong with a process that runs says more than that it runs. */
export function stateOf({ state, health }: AgentStatus): [label: string, tone: ChipTone] {
  if (state !== "running" || health === null) return STATES[state];
  const [trouble] = health.split(":");
  return [trouble!.charAt(0).toUpperCase() + trouble!.slice(1), "bad"];
}

export function isInTrouble(agent: AgentStatus): boolean {
  return stateOf(agent)[1] === "bad";
}

/** How many there are of each state: "1 crash loop", "8 running". */
export function countStates(
  agents: readonly AgentStatus[],
): { label: string; count: number; tone: ChipTone }[] {
  return SUMMARY.flatMap((state) => {
    const count = agents.filter((agent) => agent.state === state).length;
    const [label, tone] = STATES[state];
    return count === 0 ? [] : [{ label: label.toLowerCase(), count, tone }];
  });
}

/** What a person should know beside the state; null: nothing. */
export function noteOf(agent: AgentStatus, nowMs: number): string | null {
  const { state, health, lastEnd, nextStartAtMs } = agent;
  const parts: string[] = [];
  if (health !== null) parts.push(health);
  if (lastEnd !== null) {
    const end = `${lastEnd.text}, ${formatAge(nowMs - lastEnd.atMs)} ago`;
    parts.push(state === "running" ? `before: ${end}` : end);
  }
  if (state === "restarting" && nextStartAtMs !== null) {
    parts.push(`starts again in ${Math.max(0, Math.ceil((nextStartAtMs - nowMs) / 1000))} s`);
  }
  if (state === "crash-loop") parts.push("left alone until somebody starts it again");
  return parts.length === 0 ? null : formatSentence(parts.join("; "));
}

/** "101 MiB", "1.2 of 2.0 GiB" */
export function memoryOf({ rssBytes, memoryMaxBytes }: AgentStatus): string {
  if (rssBytes === null) return NONE;
  if (memoryMaxBytes === null) return formatBytes(rssBytes);
  return `${formatBytes(rssBytes)} of ${formatBytes(memoryMaxBytes)}`;
}

/** "6 %" of one core. */
export function cpuOf({ cpuPercent }: AgentStatus): string {
  return cpuPercent === null ? NONE : `${Math.round(cpuPercent)} %`;
}

export function fpsOf({ fps, pid }: AgentStatus): string {
  return pid === null ? NONE : formatRate(fps);
}

/** "GPU 1 · x264": where its pictures are made. */
export function placeOf({ gpu, encoder, source }: AgentStatus): string {
  const parts = [source === "ring" ? "program" : source];
  if (gpu !== null) parts.push(`GPU ${gpu}`);
  if (encoder !== null && encoder !== "auto") parts.push(encoder);
  return parts.join(" · ");
}

export function upOf({ startedAtMs }: AgentStatus, nowMs: number): string {
  return startedAtMs === null ? NONE : formatAge(nowMs - startedAtMs);
}
