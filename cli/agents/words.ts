/** Agents as people read them. */

import type { AgentStatus } from "../../proto/agents.ts";
import type { Column } from "../runs/table.ts";
import { bytes, duration, printable } from "../runs/words.ts";

const CAPTURES: ReadonlySet<string> = new Set(["auto", "gst", "ffmpeg", "x11grab", "vaapi"]);

/** What is worth a look about one agent; "" for one that is well. */
export function noteOf(agent: AgentStatus, nowMs: number): string {
  const { state, health, nextStartAtMs, lastEnd, name } = agent;
  if (health !== null) return health;
  const end = lastEnd?.text ?? "";
  switch (state) {
    case "restarting": {
      const waitS = Math.max(0, ((nextStartAtMs ?? nowMs) - nowMs) / 1000);
      return `${end}; starts in ${waitS.toFixed(1)} s`;
    }
    case "crash-loop":
      return `${end}, again and again; telebridge agents restart ${name} tries again`;
    case "failed":
    case "stopped":
      return end;
    case "running":
      return sourceNote(agent);
    default:
      return "";
  }
}

/** Of a capture: by which programs, and why not by others. */
function sourceNote({ source, sourceWhy }: AgentStatus): string {
  return CAPTURES.has(source) ? sourceWhy : "";
}

export function agentColumns(nowMs: number): Column<AgentStatus>[] {
  const optional = (value: number | null, text: (value: number) => string) =>
    value === null ? "" : text(value);
  const number = (value: number | null) => optional(value, String);
  return [
    { title: "AGENT", align: "left", cell: ({ name }) => name },
    { title: "STATE", align: "left", cell: ({ state }) => state },
    { title: "PID", align: "right", cell: ({ pid }) => number(pid) },
    {
      title: "UP",
      align: "right",
      cell: ({ startedAtMs }) => optional(startedAtMs, (atMs) => duration(nowMs - atMs)),
    },
    { title: "RESTARTS", align: "right", cell: ({ restarts }) => String(restarts) },
    { title: "FPS", align: "right", cell: ({ fps }) => optional(fps, (value) => value.toFixed(1)) },
    {
      title: "CPU",
      align: "right",
      cell: ({ cpuPercent }) => optional(cpuPercent, (value) => `${value.toFixed(0)}%`),
    },
    {
      title: "MEMORY",
      align: "right",
      cell: ({ rssBytes }) => optional(rssBytes, (value) => bytes(BigInt(value))),
    },
    { title: "GPU", align: "right", cell: ({ gpu }) => number(gpu) },
    { title: "SOURCE", align: "left", cell: ({ source }) => source },
    { title: "NOTE", align: "left", cell: (agent) => printable(noteOf(agent, nowMs)) },
  ];
}
