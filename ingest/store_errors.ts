/** The store's failures as statuses of calls. */

import * as grpc from "@grpc/grpc-js";
import { HistoryBusy } from "../core/durable/history.ts";
import { messageOf, UserError } from "../core/errors.ts";
import { StoreUnavailable } from "../core/storage/store.ts";
import { GrpcError } from "./grpc_service.ts";
import { RunGone, StoreFailing } from "./store_client.ts";

const DISK_CODES: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EIO", "EROFS"]);

/** Others are returned as they are: bugs. */
export function storeStatus(error: unknown): unknown {
  if (error instanceof StoreFailing) {
    return new GrpcError(grpc.status.UNAVAILABLE, `nothing can be stored now: ${error.message}`);
  }
  if (error instanceof StoreUnavailable || error instanceof HistoryBusy) {
    return new GrpcError(grpc.status.UNAVAILABLE, `nothing can be read now: ${error.message}`);
  }
  if (error instanceof RunGone) return new GrpcError(grpc.status.NOT_FOUND, error.message);
  // Of a file of our own, such as a checkpoint's.
  if (DISK_CODES.has(String((error as { code?: unknown })?.code))) {
    return new GrpcError(
      grpc.status.UNAVAILABLE,
      `nothing can be stored now: ${messageOf(error)}`,
    );
  }
  // A cursor that is none.
  if (error instanceof UserError) {
    return new GrpcError(grpc.status.INVALID_ARGUMENT, error.message);
  }
  return error;
}

/** Awaits something of the store. Throws {@link GrpcError} where the store fails. */
export async function ofStore<Value>(promise: Promise<Value>): Promise<Value> {
  try {
    return await promise;
  } catch (error) {
    throw storeStatus(error);
  }
}
