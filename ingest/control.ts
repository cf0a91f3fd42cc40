/** ControlService: what a worker and the server say to one another beside rows and pictures. */

import type { ControlService } from "../proto/gen/telebridge/v1/control_pb.ts";
import type { IngestContext } from "./context.ts";
import type { Handlers } from "./grpc_service.ts";

export function controlHandlers(_context: IngestContext): Handlers<typeof ControlService> {
  return {};
}
