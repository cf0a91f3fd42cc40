/** What a source means: the program that is started for it. */

import { UserError } from "../errors.ts";
import type { AgentConfig } from "./config.ts";
import type { Placement } from "./plan.ts";

/** Programs that sources are made of. */
export interface SourceTools {
  /** Our own agent. */
  agentPath: string;
}

export interface SourceCommand {
  command: readonly string[];
  /** For people. */
  why: string;
}

/** Throws {@link UserError} where the source cannot be had here. */
export function sourceCommand(
  config: AgentConfig,
  placement: Placement,
  tools: SourceTools,
): SourceCommand {
  const { command, source: { kind } } = config;
  switch (kind) {
    case "ring":
      return { command: command!, why: "the program publishes by itself" };
    case "agent":
      return {
        command: [tools.agentPath, "--run", config.name, ...pictureOptions(config, placement)],
        why: "telebridge agent",
      };
    default:
      throw new UserError(`source "${kind}" is not known to this version`);
  }
}

/** The options of `telebridge agent` that the table of an agent gives, without those about where its pictures go. */
export function pictureOptions(
  { width, height, fps, bitrateKbps, gopSeconds }: AgentConfig,
  { gpu, encoder }: Pick<Placement, "gpu" | "encoder">,
): string[] {
  const given = {
    ...{ width, height, fps, gpu },
    bitrate: bitrateKbps,
    gop: gopSeconds,
    encoder: encoder === "auto" ? null : encoder,
  };
  return Object.entries(given).flatMap(([option, value]) =>
    value === null ? [] : [`--${option}`, String(value)]
  );
}
