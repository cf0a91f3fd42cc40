/**
 * A bug of the runtime (Deno 2.9.4) that both ends of gRPC meet: when a peer says goodbye with a GOAWAY frame and no call
 * is open, `node:http2` closes the session from within nghttp2's reading of that frame, which frees what is being read.
 * The process aborts (`free(): invalid pointer`, or `find_stream_on_goaway_func`), the sooner the more was sent before.
 */

import http2 from "node:http2";
import { setImmediate } from "node:timers";

type Close = (this: object, onClosed?: () => void) => void;

let deferred = false;

/** From now on sessions of this process close after what is being read is read. */
export function deferHttp2Close(): void {
  // Node has neither the bug nor the class.
  const session = (http2 as { Http2Session?: { prototype: { close: Close } } }).Http2Session;
  if (deferred || session === undefined) return;
  deferred = true;
  const { close } = session.prototype;
  session.prototype.close = function (onClosed) {
    setImmediate(() => close.call(this, onClosed));
  };
}
