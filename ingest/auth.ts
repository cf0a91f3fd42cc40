/** Who may call what, decided when a call's headers are there and before any of its messages is read. */

import * as grpc from "@grpc/grpc-js";
import { type Access, Authority } from "../core/tokens.ts";
import { GrpcError } from "./grpc_service.ts";

const BEARER = /^Bearer +([A-Za-z0-9_-]+)$/i;

/** What only looks; everything else needs the control token. */
const VIEW_METHODS: ReadonlySet<string> = new Set([
  "ListRuns",
  "GetRun",
  "StreamRunSteps",
  "StreamRunSamples",
  "ListHistograms",
  "ListCheckpoints",
  "FetchCheckpoint",
].map((name) => `/telebridge.v1.RunService/${name}`));

export interface Tokens {
  controlToken: string;
  viewToken: string | null;
}

/** Refuses calls without the token that they need. */
export function tokenInterceptor(tokens: Tokens): grpc.ServerInterceptor {
  const authority = new Authority({ ...tokens, nowMs: Date.now });
  return (method, call) => {
    const start: grpc.FullServerListener["onReceiveMetadata"] = (metadata, next) => {
      const refusal = refusalOf(method.path, accessOf(authority, metadata));
      if (refusal === null) next(metadata);
      else call.sendStatus({ code: refusal.code, details: refusal.details });
    };
    const listener = new grpc.ServerListenerBuilder().withOnReceiveMetadata(start).build();
    const responder = new grpc.ResponderBuilder().withStart((next) => next(listener)).build();
    return new grpc.ServerInterceptingCall(call, responder);
  };
}

function accessOf(authority: Authority, metadata: grpc.Metadata): Access | null {
  const [header] = metadata.get("authorization");
  const token = BEARER.exec(String(header ?? ""))?.[1];
  return token === undefined ? null : authority.accessOf(token);
}

function refusalOf(path: string, access: Access | null): GrpcError | null {
  if (access === "control" || (access === "view" && VIEW_METHODS.has(path))) return null;
  return access === null
    ? new GrpcError(
      grpc.status.UNAUTHENTICATED,
      "a token is needed: metadata `authorization: Bearer TOKEN`",
    )
    : new GrpcError(grpc.status.PERMISSION_DENIED, "this token can watch but not touch");
}
