/** `telebridge ingest`: the role that `serve` starts for the durable lane; nobody else has a use for it. */

import { Command } from "commander";
import { runIngest } from "../ingest/main.ts";

export function ingestCommand(): Command {
  return new Command("ingest")
    .description("Started by serve: takes rows by gRPC and stores them.")
    .action(runIngest);
}
