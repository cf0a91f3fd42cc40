/** What go2rtc shall do for an agent. */

import type { AgentConfig } from "../../core/agents/config.ts";
import { pictureOptions } from "../../core/agents/sources.ts";
import { checkPlain, execSource, NotForGo2rtc } from "./command_line.ts";

/**
 * - `exec`: go2rtc starts it when somebody watches, and reads MPEG-TS from it
 * - `fifo`: somebody else runs it, and go2rtc reads H.264 from its FIFO when somebody watches
 */
export const MODES = ["exec", "fifo"] as const;
export type Mode = typeof MODES[number];

export interface Stream {
  name: string;
  /** As go2rtc's configuration has it. */
  source: string;
  /** Of `fifo`: what writes there. */
  writer: readonly string[] | null;
}

export interface LeftOut {
  name: string;
  why: string;
}

export interface Place {
  /** What a person starts as `telebridge`. */
  executable: string;
  fifoDir: string;
  /** Programs of this machine are not there. */
  isContainer: boolean;
}

/** go2rtc's own way to end a command is SIGKILL at once. */
const END_WELL = "#killsignal=15#killtimeout=5";

export function streamsOf(
  agents: readonly AgentConfig[],
  mode: Mode,
  place: Place,
): { streams: Stream[]; leftOut: LeftOut[] } {
  const streams: Stream[] = [];
  const leftOut: LeftOut[] = [];
  for (const agent of agents) {
    try {
      streams.push(mode === "exec" ? execStream(agent, place) : fifoStream(agent, place));
    } catch (error) {
      if (!(error instanceof NotForGo2rtc)) throw error;
      leftOut.push({ name: agent.name, why: error.message });
    }
  }
  return { streams, leftOut };
}

function execStream(agent: AgentConfig, { executable, isContainer }: Place): Stream {
  const words = agent.source.kind === "agent"
    ? [...environmentOf(agent), executable, "agent", "--mpegts", ...pictureOptions(agent, agent)]
    : [...environmentOf(agent), executable, "mpegts", "--", ...commandOf(agent, isContainer)];
  return { name: agent.name, source: execSource(words) + END_WELL, writer: null };
}

function commandOf({ command, source }: AgentConfig, isContainer: boolean): readonly string[] {
  if (source.kind !== "exec") {
    throw new NotForGo2rtc(`its source is "${source.kind}"; go2rtc starts "agent" and "exec"`);
  }
  if (source.xvfb !== null) {
    throw new NotForGo2rtc("it needs an Xvfb: let a script of yours start both");
  }
  if (isContainer) throw new NotForGo2rtc("its program is not in the container");
  return command!;
}

/** For a program of its own it is also the folder. */
function environmentOf({ source, env, cwd }: AgentConfig): string[] {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const options = source.kind === "agent" ? [] : ["-C", cwd];
  return variables.length + options.length === 0 ? [] : ["env", ...options, ...variables];
}

function fifoStream(agent: AgentConfig, { executable, fifoDir }: Place): Stream {
  if (agent.source.kind !== "agent") {
    throw new NotForGo2rtc(
      `its source is "${agent.source.kind}"; only our own agent writes a FIFO`,
    );
  }
  const path = `${fifoDir}/${agent.name}.h264`;
  const options = ["--fifo", path, ...pictureOptions(agent, agent)];
  const writer = [...environmentOf(agent), executable, "agent", ...options];
  checkPlain(writer);
  return { name: agent.name, source: execSource(["cat", path]), writer };
}
