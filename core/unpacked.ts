/**
 * The cache of an executable that `deno compile` made: the operating system opens libraries and programs only where they
 * are files. The same rules as the launcher's (native/launcher/cache.h): made whole under another name, hashed while it
 * is written, looked at on each start, held by whoever runs from it.
 */

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { messageOf, UserError } from "./errors.ts";
import { randomHex } from "./random.ts";

/** The executable itself, by which it starts its roles: what a person started may be replaced meanwhile. */
export const COMPILED_PROGRAM = "bin/telebridge";
/** Written by tools/dist/compiled.ts. */
export const MANIFEST = "lib/manifest.json";

const OTHERS_WRITE = 0o022;
/** 1980-01-01, as in native/launcher/cache.h: a file that was written to has another. */
const FILE_TIME_S = 315_532_800;

export interface UnpackedFile {
  /** In the cache. */
  path: string;
  mode: number;
  /** Hexadecimal; null: what is read is right by definition. */
  sha256: string | null;
}

export interface Manifest {
  /** Of all that is inside, so that another version has another cache. */
  id: string;
  files: UnpackedFile[];
}

interface Unpacking {
  manifest: Manifest;
  /** Of a file in the manifest, when it is needed. */
  read: (path: string) => Uint8Array;
  bytesOf: (path: string) => number;
}

/** Held until the process ends: node and Deno close what nobody refers to. */
const held: Deno.FsFile[] = [];

/** Keeps a cache from being removed by other versions while this process lives. */
export function holdCache(folder: string): void {
  const file = Deno.openSync(folder);
  file.lockSync(false);
  held.push(file);
}

/** The cache of this executable, made when it is missing. `root` is where its embedded files are. */
export function unpackCompiled(root: string): string {
  const manifest = JSON.parse(Deno.readTextFileSync(join(root, MANIFEST))) as Manifest;
  const source = (path: string) => path === COMPILED_PROGRAM ? Deno.execPath() : join(root, path);
  const folder = unpack(cachePlaces(Deno.env.toObject()), {
    manifest: {
      ...manifest,
      files: [...manifest.files, { path: COMPILED_PROGRAM, mode: 0o500, sha256: null }],
    },
    read: (path) => Deno.readFileSync(source(path)),
    bytesOf: (path) => Deno.statSync(source(path)).size,
  });
  holdCache(folder);
  return folder;
}

/** Where caches may be, the best first; native/launcher/place.c has the same. */
export function cachePlaces(environment: Readonly<Record<string, string>>): string[] {
  const { TELEBRIDGE_CACHE_DIR, XDG_CACHE_HOME, HOME } = environment;
  if (TELEBRIDGE_CACHE_DIR) return [TELEBRIDGE_CACHE_DIR];
  const ours = `telebridge-cache-${Deno.uid()}`;
  return [
    ...(XDG_CACHE_HOME?.startsWith("/") ? [`${XDG_CACHE_HOME}/telebridge`] : []),
    ...(HOME?.startsWith("/") ? [`${HOME}/.cache/telebridge`] : []),
    ...["/var/tmp", "/tmp", "/dev/shm"].map((folder) => `${folder}/${ours}`),
  ];
}

/** The cache in the first place that will have it. Throws {@link UserError} that names them all when none will. */
export function unpack(places: readonly string[], unpacking: Unpacking): string {
  const reasons: string[] = [];
  for (const place of places) {
    try {
      checkPlace(place);
      const folder = join(place, unpacking.manifest.id);
      if (!isWhole(folder, unpacking)) make(folder, unpacking);
      return folder;
    } catch (error) {
      reasons.push(`  ${place}: ${messageOf(error)}`);
    }
  }
  throw new UserError(
    "there is no folder to unpack into; name one of yours: TELEBRIDGE_CACHE_DIR=/its/full/path\n" +
      reasons.join("\n"),
  );
}

function checkPlace(place: string): void {
  Deno.mkdirSync(place, { recursive: true, mode: 0o700 });
  const found = Deno.lstatSync(place);
  if (!found.isDirectory) throw new UserError("it is a link or no folder");
  if (found.uid !== Deno.uid()) throw new UserError(`it belongs to user ${found.uid}`);
  if ((found.mode! & OTHERS_WRITE) !== 0) throw new UserError("others may write to it");
}

function isWhole(folder: string, { manifest, bytesOf }: Unpacking): boolean {
  try {
    const found = Deno.lstatSync(folder);
    if (!found.isDirectory || found.uid !== Deno.uid() || (found.mode! & 0o7777) !== 0o700) {
      return false;
    }
    return manifest.files.every(({ path, mode }) => {
      const file = Deno.lstatSync(join(folder, path));
      return file.isFile && file.uid === Deno.uid() && (file.mode! & 0o7777) === mode &&
        file.size === bytesOf(path) && file.mtime?.getTime() === FILE_TIME_S * 1000;
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function make(folder: string, unpacking: Unpacking): void {
  const made = join(dirname(folder), `.made-${randomHex(8)}`);
  try {
    Deno.mkdirSync(made, { mode: 0o700 });
    for (const file of unpacking.manifest.files) {
      writeFile(join(made, file.path), file, unpacking.read(file.path));
    }
    putInPlace(made, folder, unpacking);
  } finally {
    removeIfAny(made);
  }
}

function writeFile(path: string, { mode, sha256 }: UnpackedFile, bytes: Uint8Array): void {
  if (sha256 !== null && createHash("sha256").update(bytes).digest("hex") !== sha256) {
    throw new UserError(`this file is damaged or not whole: ${path} in it; copy it again`);
  }
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  for (let at = 0; at < bytes.byteLength;) at += file.writeSync(bytes.subarray(at));
  file.syncSync();
  Deno.chmodSync(path, mode);
  file.utimeSync(FILE_TIME_S, FILE_TIME_S);
}

/** Another start may have been quicker, and what has the name may be damaged. */
function putInPlace(made: string, folder: string, unpacking: Unpacking): void {
  try {
    Deno.renameSync(made, folder);
  } catch (error) {
    if (isWhole(folder, unpacking)) return;
    removeIfAny(folder);
    Deno.renameSync(made, folder);
    if (!isWhole(folder, unpacking)) throw error;
  }
}

function removeIfAny(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
