/** How rows of a kind get from messages into what the store takes. */

import type { RowKind, RowsByKind } from "../../core/storage/records.ts";

/** A message that cannot be stored; its text is for people and says which row and why. */
export class InvalidRows extends Error {
  override name = "InvalidRows";
}

/** Gathers rows of several messages. */
export interface RowGatherer {
  /** Of memory that is held. */
  readonly bytes: number;
  /** Whether so many rows more can be added. */
  hasRoom(rows: number): boolean;
  finish(): RowsByKind[RowKind];
}

/** Reads the messages of one call, in order. */
export interface RowReader<Request, Gatherer extends RowGatherer = RowGatherer> {
  readonly kind: RowKind;
  /** Number of rows of a message. Throws {@link InvalidRows} when its columns disagree. */
  count(request: Request): number;
  /** One with room for at least so many rows. */
  gatherer(rows: number): Gatherer;
  /** Adds all rows of a message, or throws {@link InvalidRows} and adds none. */
  add(request: Request, gatherer: Gatherer): void;
}
