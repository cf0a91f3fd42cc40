/** Files on their way to the server. They wait in the spool's folder, so that no crash and no later write changes them. */

import { create, toBinary } from "@bufbuild/protobuf";
import { type ServiceError, status } from "@grpc/grpc-js";
import {
  constants,
  copyFile,
  open,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import {
  PublishCheckpointRequestSchema,
  PublishService,
} from "../../proto/gen/telebridge/v1/publish_pb.ts";
import type { Channel } from "./channel.ts";
import type { Opening } from "./kinds.ts";
import type { Warnings } from "./warnings.ts";

const CHUNK_BYTES = 1024 * 1024;
const WAITING = /^checkpoint-(\d+)\.json$/;

export interface CheckpointAbout {
  name: string;
  /** ns since 1970, decimal. */
  timeUnixNs: string;
  /** Decimal; null without one. */
  step: string | null;
  /** A JSON object; "" for none. */
  metadataJson: string;
}

/** Puts a file, or bytes, where {@link sendCheckpoints} finds them. */
export async function keepCheckpoint(
  folder: string,
  index: number,
  source: string | Uint8Array,
  about: CheckpointAbout,
): Promise<void> {
  const base = join(folder, `checkpoint-${index}`);
  if (typeof source === "string") {
    await copyFile(source, `${base}.bin`, constants.COPYFILE_FICLONE); // shares the blocks where it can
  } else {
    await writeFile(`${base}.bin`, source, { mode: 0o600 });
  }
  // The name that is looked for comes last.
  await writeFile(`${base}.new`, JSON.stringify(about), { mode: 0o600 });
  await rename(`${base}.new`, `${base}.json`);
}

export async function waitingCheckpoints(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  const found = names.flatMap((name) => WAITING.exec(name)?.[1] ?? []);
  return found.map(Number).toSorted((a, b) => a - b);
}

/** Sends all that wait. Rejects when the connection does not carry them now. */
export async function sendCheckpoints(
  folder: string,
  channel: Channel,
  opening: Opening,
  warnings: Warnings,
): Promise<void> {
  for (const index of await waitingCheckpoints(folder)) {
    const base = join(folder, `checkpoint-${index}`);
    try {
      await sendOne(base, channel, opening);
    } catch (error) {
      if ((error as ServiceError).code !== status.INVALID_ARGUMENT) throw error;
      const { details } = error as ServiceError;
      warnings.once(`checkpoint ${index}`, `the server refuses a checkpoint: ${details}`);
    }
    for (const suffix of [".json", ".bin"]) await rm(base + suffix, { force: true });
  }
}

async function sendOne(base: string, channel: Channel, opening: Opening): Promise<void> {
  const about: CheckpointAbout = JSON.parse(await readFile(`${base}.json`, "utf8"));
  const file = await open(`${base}.bin`, "r");
  try {
    const { promise: answered, resolve, reject } = Promise.withResolvers<void>();
    let isOver = false;
    let onDrain = () => {};
    const call = channel.upload(PublishService.method.publishCheckpoint, (error) => {
      isOver = true;
      onDrain();
      if (error === null) resolve();
      else reject(error);
    });
    call.on("drain", () => onDrain());
    answered.catch(() => {}); // awaited below
    const send = (part: NonNullable<Parameters<typeof requestOf>[0]>) => {
      if (isOver || call.write(requestOf(part))) return;
      return new Promise<void>((resume) => onDrain = resume);
    };
    await send({
      case: "header",
      value: {
        runId: opening.runId,
        streamId: opening.streamId,
        checkpoint: {
          name: about.name,
          timeUnixNs: BigInt(about.timeUnixNs),
          ...(about.step === null ? {} : { step: BigInt(about.step) }),
          sizeBytes: BigInt((await file.stat()).size),
          metadataJson: about.metadataJson,
        },
      },
    });
    while (!isOver) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(CHUNK_BYTES), 0, CHUNK_BYTES);
      if (bytesRead === 0) break;
      await send({ case: "chunk", value: buffer.subarray(0, bytesRead) });
    }
    if (!isOver) call.end();
    await answered;
  } finally {
    await file.close();
  }
}

function requestOf(
  part: NonNullable<Parameters<typeof create<typeof PublishCheckpointRequestSchema>>[1]>["part"],
): Uint8Array {
  return toBinary(PublishCheckpointRequestSchema, create(PublishCheckpointRequestSchema, { part }));
}
