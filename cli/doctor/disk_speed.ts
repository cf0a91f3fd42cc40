/** How fast a disk takes what must last: bounded in bytes and in time, and nothing is left behind. */

import { join } from "node:path";
import { randomHex } from "../../core/random.ts";

const BLOCK_BYTES = 4 * 1024 * 1024;
const BLOCKS_MAX = 16;
const WRITE_MS_MAX = 700;
/** As small as a commit is. */
const SMALL_BYTES = 4096;
const SMALL_COUNT_MAX = 32;
const SMALL_MS_MAX = 500;
const NAME_BYTES = 4;

export interface DiskSpeed {
  /** Of 4 MiB blocks, each followed by fdatasync. */
  write_bytes_per_s: number;
  /** Median of 4 KiB writes, each followed by fdatasync: what a "synced" ack waits for at least. */
  sync_ms: number;
  sync_ms_max: number;
}

export async function measureDisk(folder: string): Promise<DiskSpeed> {
  const path = join(folder, `.doctor-${randomHex(NAME_BYTES)}`);
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  // The name goes first: whoever kills us leaves no file.
  await Deno.remove(path);
  const small = await timeWrites(file, SMALL_BYTES, SMALL_COUNT_MAX, SMALL_MS_MAX);
  const large = await timeWrites(file, BLOCK_BYTES, BLOCKS_MAX, WRITE_MS_MAX);
  const sorted = small.toSorted((a, b) => a - b);
  const largeMs = large.reduce((sum, ms) => sum + ms, 0);
  return {
    write_bytes_per_s: Math.round(large.length * BLOCK_BYTES * 1000 / largeMs),
    sync_ms: sorted[sorted.length >> 1]!,
    sync_ms_max: sorted.at(-1)!,
  };
}

/** What each of them took, ms; at least one is written. */
async function timeWrites(
  file: Deno.FsFile,
  bytesCount: number,
  countMax: number,
  msMax: number,
): Promise<number[]> {
  // Zeros would be no work for a disk that compresses.
  const bytes = randomBytes(bytesCount);
  const taken: number[] = [];
  const startMs = performance.now();
  do {
    const fromMs = performance.now();
    for (let at = 0; at < bytes.byteLength;) at += await file.write(bytes.subarray(at));
    await file.syncData();
    taken.push(performance.now() - fromMs);
  } while (taken.length < countMax && performance.now() - startMs < msMax);
  return taken;
}

function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  const chunkBytes = 65_536; // of getRandomValues()
  for (let at = 0; at < count; at += chunkBytes) {
    crypto.getRandomValues(bytes.subarray(at, at + chunkBytes));
  }
  return bytes;
}
