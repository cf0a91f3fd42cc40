/** What a video feed needs of a native stream; tests have one in memory. */

import type { VideoStream as NativeStream } from "../ffi/stream.ts";

/** A thread that makes packets of one run. Dispose it before its reader and its controller. */
export type VideoStream = Pick<NativeStream, keyof NativeStream>;

/** A stream together with what it needs, all of which ends with it. */
export interface StreamHold extends Disposable {
  readonly stream: VideoStream;
}
