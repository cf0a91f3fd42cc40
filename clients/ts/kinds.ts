/** The kinds of rows that a client sends, each on a call of its own. */

import { create, toBinary } from "@bufbuild/protobuf";
import { PublishService } from "../../proto/gen/telebridge/v1/publish_pb.ts";

/** In the order of their numbers in a spool, which are for good. */
export const KINDS = ["steps", "episodes", "samples", "logs", "params", "histograms"] as const;
export type Kind = typeof KINDS[number];

export const PUBLISH_METHODS = {
  steps: PublishService.method.publishRunSteps,
  episodes: PublishService.method.publishRunEpisodes,
  samples: PublishService.method.publishSamples,
  logs: PublishService.method.publishLogs,
  params: PublishService.method.publishParams,
  histograms: PublishService.method.publishHistograms,
} as const;

/** What the first message of a call opens. */
export interface Opening {
  runId: string;
  streamId: Uint8Array<ArrayBuffer>;
  wantSynced: boolean;
}

/**
 * A message: its number and, in a call's first one, the opening, before rows that were packed earlier. One protobuf
 * message after another is their union (Protocol Buffers, "Last One Wins"), so rows are packed once, whatever becomes of
 * their number.
 */
export function messageOf(
  kind: Kind,
  firstSequence: number,
  opening: Opening | null,
  rows: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const head = toBinary(
    PUBLISH_METHODS[kind].input,
    create(PUBLISH_METHODS[kind].input, {
      firstSequence: BigInt(firstSequence),
      ...(opening === null ? {} : { open: opening }),
    }),
  );
  return joined([head, rows]);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}
