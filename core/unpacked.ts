/**
 * The cache of an executable that `deno compile` made: the operating system opens libraries and programs only where they
 * are files. The same rules as the launcher's (native/launcher/cache.h): made whole under another name, hashed while it
 * is written, looked at on each start, held by whoever runs from it.
 */

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { messageOf, UserError } from "./errors.ts";
import { removeIfAny } from "./files.ts";
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

/** Of native/launcher/cache.h: caches that nobody started from for so long, and what killed starts left half made. */
const UNUSED_MS = 24 * 60 * 60 * 1000;
const HALF_MADE_MS = 60 * 60 * 1000;
const HALF_MADE = ".made-";

/** No other place will do. */
class Damaged extends UserError {
  constructor(path: string) {
    super(`this file is damaged or not whole: ${path} in it is not what was packed; copy it again`);
  }
}

/** Referred to until the process ends, since Deno closes what nobody refers to. */
let held: Deno.FsFile | null = null;

/** Keeps the cache that this process runs from from being removed by other versions while it lives. */
export function holdCache(folder: string): void {
  if (held !== null) return;
  held = Deno.openSync(folder);
  held.lockSync(false);
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
  const ours = `telebridge-cache-${Deno.uid()}`;
  const places = TELEBRIDGE_CACHE_DIR ? [TELEBRIDGE_CACHE_DIR] : [
    ...(XDG_CACHE_HOME ? [`${XDG_CACHE_HOME}/telebridge`] : []),
    ...(HOME ? [`${HOME}/.cache/telebridge`] : []),
    ...["/var/tmp", "/tmp", "/dev/shm"].map((folder) => `${folder}/${ours}`),
  ];
  return places.filter((place) => place.startsWith("/"));
}

/** The cache in the first place that will have it. Throws {@link UserError} that names them all when none will. */
export function unpack(places: readonly string[], unpacking: Unpacking): string {
  const reasons: string[] = [];
  for (const place of places) {
    try {
      checkPlace(place);
      const folder = join(place, unpacking.manifest.id);
      if (!isWhole(folder, unpacking)) make(folder, unpacking);
      Deno.utimeSync(folder, new Date(), new Date());
      sweep(place, unpacking.manifest.id);
      return folder;
    } catch (error) {
      if (error instanceof Damaged) throw error;
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
  const made = join(dirname(folder), HALF_MADE + randomHex(8));
  try {
    Deno.mkdirSync(made, { mode: 0o700 });
    for (const file of unpacking.manifest.files) {
      writeFile(join(made, file.path), file.mode, readChecked(file, unpacking));
    }
    putInPlace(made, folder, unpacking);
  } finally {
    removeIfAny(made, { recursive: true });
  }
}

function readChecked({ path, sha256 }: UnpackedFile, { read }: Unpacking): Uint8Array {
  const bytes = read(path);
  const found = sha256 === null ? null : createHash("sha256").update(bytes).digest("hex");
  if (found !== sha256) throw new Damaged(path);
  return bytes;
}

function writeFile(path: string, mode: number, bytes: Uint8Array): void {
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
    removeIfAny(folder, { recursive: true });
    Deno.renameSync(made, folder);
    if (!isWhole(folder, unpacking)) throw error;
  }
}

/** Removes what is unused in the place, this one's cache excepted. */
function sweep(place: string, id: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(place)) {
    if (!isDirectory || name === id) continue;
    const path = join(place, name);
    if (name.startsWith(HALF_MADE) && isOlderThan(path, HALF_MADE_MS)) {
      removeIfAny(path, { recursive: true });
    }
    if (!/^[0-9a-f]{32}$/.test(name) || !isOlderThan(path, UNUSED_MS)) continue;
    using file = Deno.openSync(path);
    if (!file.tryLockSync(true)) continue;
    const removed = join(place, HALF_MADE + randomHex(8));
    Deno.renameSync(path, removed); // so that a start at this moment finds none, and not half of one
    removeIfAny(removed, { recursive: true });
  }
}

function isOlderThan(path: string, ms: number): boolean {
  return Date.now() - (Deno.lstatSync(path).mtime?.getTime() ?? Date.now()) > ms;
}
