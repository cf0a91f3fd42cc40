/** A server with agents, and what became of them. */

import type { AgentsAnswer, AgentStatus } from "../../proto/agents.ts";
import type { TestBox } from "./box.ts";
import { Serve, type ServeOptions } from "./serve.ts";
import { waitFor } from "./wait.ts";

export class AgentServer {
  private constructor(readonly serve: Serve) {}

  /** `config`: the configuration file. */
  static async start(box: TestBox, config: string, options: ServeOptions = {}) {
    writeConfig(box, config);
    return new AgentServer(await Serve.start(box, options));
  }

  async list(): Promise<AgentStatus[]> {
    return (await (await this.serve.fetch("/api/agents")).json() as AgentsAnswer).agents;
  }

  async agent(name: string): Promise<AgentStatus> {
    return (await this.list()).find((agent) => agent.name === name)!;
  }

  /** The agent, once it is so. */
  until(
    name: string,
    what: string,
    isSo: (agent: AgentStatus) => boolean,
  ): Promise<AgentStatus> {
    return waitFor(
      `${name} ${what}`,
      async () => {
        const agent = await this.agent(name);
        return isSo(agent) && agent;
      },
      () => this.list(),
    );
  }

  running(name: string): Promise<AgentStatus> {
    return this.until(name, "to run", ({ state }) => state === "running");
  }
}

export function writeConfig(box: TestBox, config: string): void {
  Deno.writeTextFileSync(`${box.dataDir}/telebridge.toml`, config);
}
