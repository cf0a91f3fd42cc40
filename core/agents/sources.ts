/** What a source means: the program that is started for it. */

import { captureCommand } from "./captures.ts";
import type { CaptureTools } from "./capture_tools.ts";
import type { AgentConfig } from "./config.ts";
import type { Placement } from "./plan.ts";

/** Programs that sources are made of. */
export interface SourceTools {
  /** Our own agent. */
  agentPath: string;
  /** Other people's, as found here. */
  captures: CaptureTools;
  /** In which they would start. */
  environment: Readonly<Record<string, string>>;
}

export interface SourceCommand {
  command: readonly string[];
  /** For people. */
  why: string;
}

/** Throws {@link UserError} where the source cannot be had here. */
export async function sourceCommand(
  config: AgentConfig,
  placement: Pick<Placement, "gpu" | "encoder">,
  tools: SourceTools,
): Promise<SourceCommand> {
  const { name, command, source } = config;
  const pump = [tools.agentPath, "--run", name, "--source"];
  switch (source.kind) {
    case "ring":
      return { command: command!, why: "the program publishes by itself" };
    case "agent":
      return {
        command: [tools.agentPath, "--run", name, ...pictureOptions(config, placement)],
        why: "telebridge agent",
      };
    case "exec":
      return {
        command: [...pump, "exec", ...xvfbOption(config), "--", ...command!],
        why: "the program's stdout",
      };
    case "fifo":
      return { command: [...pump, "fifo", source.path!], why: `the FIFO ${source.path}` };
    default: {
      const capture = await captureCommand(config, placement, tools);
      return { command: captured(config, pump, capture.command), why: capture.why };
    }
  }
}

/** The pump around what captures, and around the program that is captured, where there is one. */
function captured(
  { command, source }: AgentConfig,
  pump: readonly string[],
  capture: readonly string[],
): string[] {
  const beside = command === null ? [] : [...command, "--"];
  return [
    // The program draws where the capture looks.
    ...(source.display === null ? [] : ["/usr/bin/env", `DISPLAY=${source.display}`]),
    ...[...pump, "exec", ...xvfbOption({ source })],
    ...(command === null ? [] : ["--beside", String(command.length)]),
    ...["--", ...beside, ...capture],
  ];
}

function xvfbOption({ source: { xvfb } }: Pick<AgentConfig, "source">): string[] {
  return xvfb === null ? [] : ["--xvfb", xvfb];
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
