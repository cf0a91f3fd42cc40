/**
 * The globals of a dedicated worker. The program is typed with the window's library, and TypeScript cannot have both:
 * this is the little that the viewer worker uses.
 */

import type { PageMessage, WorkerMessage } from "./messages.ts";

interface ViewerWorkerScope {
  onmessage: ((event: MessageEvent<PageMessage>) => void) | null;
  postMessage(message: WorkerMessage, transfer?: Transferable[]): void;
}

export const workerScope = globalThis as unknown as ViewerWorkerScope;
