/** PublishFrames: pictures of workers on other machines. */

import type { PublishService } from "../proto/gen/telebridge/v1/publish_pb.ts";
import type { IngestContext } from "./context.ts";
import type { Handlers } from "./grpc_service.ts";

export function frameHandlers(_context: IngestContext): Handlers<typeof PublishService> {
  return {};
}
