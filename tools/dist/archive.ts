/**
 * One file of a launcher and what it unpacks (docs/dist.md, native/launcher/archive.h): the launcher's executable, each
 * file in zstd frames, a table of them, a trailer.
 */

import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { filesBelow } from "./stage.ts";

const MAGIC = "TELEDIST";
const VERSION = 1;
const ROW_BYTES = 192;
const TRAILER_BYTES = 64;
const PATH_OFFSET = 64;
const PATH_BYTES_MAX = 127;
/** Of plain bytes to a frame: frames are compressed side by side, and 16 MiB cost 1% over one frame for all. */
const FRAME_BYTES = 16 * 1024 * 1024;
/** A file that somebody may start. */
const EXECUTABLE = 0o100;

const compress = promisify(zstdCompress);

interface Entry {
  path: string;
  mode: number;
  plainBytes: number;
  sha256: Uint8Array;
  /** How to get the packed bytes. */
  frames: Uint8Array[];
}

export interface PackOptions {
  /** The launcher's executable. */
  launcher: string;
  /** What is packed: a folder as stage.ts leaves it. */
  folder: string;
  /** Of zstd: 1 takes a second, 19 a minute and a quarter less space. */
  level: number;
  /** Where frames are kept that another run of the same level may need again: Deno's are most of the work. */
  cacheDir: string;
  output: string;
}

/** What the file is made of: the name of each part and its bytes there. */
export type PackedParts = ReadonlyMap<string, number>;

export async function packArchive(
  { launcher, folder, level, cacheDir, output }: PackOptions,
): Promise<PackedParts> {
  const paths = filesBelow(folder);
  const entries: Entry[] = [];
  for (const path of paths) entries.push(await packFile(folder, path, { level, cacheDir }));
  const head = await Deno.readFile(launcher);
  const table = tableOf(entries, head.byteLength);
  const payload = entries.flatMap(({ frames }) => frames);
  const tableOffset = bytesOf([head, ...payload]);
  await writeExecutable(output, [head, ...payload, table, trailerOf(table, tableOffset)]);
  return new Map([
    ["launcher", head.byteLength],
    ...entries.map(({ path, frames }): [string, number] => [path, bytesOf(frames)]),
  ]);
}

function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.byteLength, 0);
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

async function packFile(
  folder: string,
  path: string,
  { level, cacheDir }: Pick<PackOptions, "level" | "cacheDir">,
): Promise<Entry> {
  const file = `${folder}/${path}`;
  const plain = await Deno.readFile(file);
  const { mode } = await Deno.stat(file);
  const parts = [];
  for (let at = 0; at < plain.byteLength; at += FRAME_BYTES) {
    parts.push(plain.subarray(at, at + FRAME_BYTES));
  }
  return {
    path,
    mode: (mode! & EXECUTABLE) === 0 ? 0o400 : 0o500,
    plainBytes: plain.byteLength,
    sha256: digestOf(plain),
    frames: await Promise.all(parts.map((part) => packFrame(part, level, cacheDir))),
  };
}

async function packFrame(plain: Uint8Array, level: number, cacheDir: string): Promise<Uint8Array> {
  const kept = `${cacheDir}/${digestOf(plain).toHex()}.${level}.zst`;
  try {
    return await Deno.readFile(kept);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const packed = await compress(plain, { params: { [constants.ZSTD_c_compressionLevel]: level } });
  if (plain.byteLength === FRAME_BYTES) {
    await Deno.mkdir(cacheDir, { recursive: true });
    await Deno.writeFile(`${kept}.${Deno.pid}`, packed);
    await Deno.rename(`${kept}.${Deno.pid}`, kept);
  }
  return packed;
}

function tableOf(entries: readonly Entry[], payloadOffset: number): Uint8Array<ArrayBuffer> {
  const table = new Uint8Array(entries.length * ROW_BYTES);
  const view = new DataView(table.buffer);
  let offset = payloadOffset;
  entries.forEach(({ path, mode, plainBytes, sha256, frames }, index) => {
    const row = index * ROW_BYTES;
    const name = new TextEncoder().encode(path);
    if (name.byteLength > PATH_BYTES_MAX) throw new Error(`${path} is too long for the table`);
    view.setBigUint64(row, BigInt(offset), true);
    view.setBigUint64(row + 8, BigInt(bytesOf(frames)), true);
    view.setBigUint64(row + 16, BigInt(plainBytes), true);
    view.setUint32(row + 24, mode, true);
    table.set(sha256, row + 32);
    table.set(name, row + PATH_OFFSET);
    offset += bytesOf(frames);
  });
  return table;
}

function trailerOf(table: Uint8Array, tableOffset: number): Uint8Array {
  const trailer = new Uint8Array(TRAILER_BYTES);
  const view = new DataView(trailer.buffer);
  view.setBigUint64(0, BigInt(tableOffset + table.byteLength + TRAILER_BYTES), true);
  view.setBigUint64(8, BigInt(tableOffset), true);
  view.setUint32(16, table.byteLength, true);
  view.setUint32(20, VERSION, true);
  trailer.set(digestOf(table), 24);
  trailer.set(new TextEncoder().encode(MAGIC), 56);
  return trailer;
}

/** Under another name first: the old file may be running, and cannot be written to then. */
async function writeExecutable(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.new`;
  await Deno.remove(temporary).catch(() => {});
  {
    using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o755 });
    for (const part of parts) {
      for (let at = 0; at < part.byteLength;) at += await file.write(part.subarray(at));
    }
  }
  await Deno.rename(temporary, path);
}
