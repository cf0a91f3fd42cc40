/** How large a message may be, decided by its method: grpc-js itself knows one limit for a whole server. */

import * as grpc from "@grpc/grpc-js";

/** Of all methods but the one for frames. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
/** A frame's payload is at most 64 MiB; the rest is for its other fields. */
export const FRAME_MESSAGE_BYTES_MAX = 65 * 1024 * 1024;
const FRAMES_METHOD = "/telebridge.v1.PublishService/PublishFrames";

/** Where grpc-js 1.14 keeps a call's limits: of the decoder of lengths, and of decompression. */
interface CallLimits {
  maxReceiveMessageSize: number;
  decoder: { maxReadMessageLength: number };
}

/** Must be the first interceptor: the others hide the call that has the limits. */
export const messageLimitInterceptor: grpc.ServerInterceptor = (method, call) => {
  if (method.path !== FRAMES_METHOD) {
    const limits = call as unknown as CallLimits;
    limits.maxReceiveMessageSize = MESSAGE_BYTES_MAX;
    limits.decoder.maxReadMessageLength = MESSAGE_BYTES_MAX;
  }
  return new grpc.ServerInterceptingCall(call);
};
