/** The data directory: one server owns it at a time. */

import { join } from "node:path";
import { messageOf, UserError } from "./errors.ts";
import { randomHex } from "./random.ts";

const ID_BYTES = 4;
/** Of sockaddr_un's sun_path, its closing 0 included. */
const SOCKET_PATH_BYTES = 108;
const OTHERS_WRITE = 0o022;
const ANYBODY_WRITES = 0o002;
const OTHERS_ANYTHING = 0o077;

/** What the owner of a data directory tells about itself, in `serve.json`. */
export interface ServeInfo {
  pid: number;
  /** Without the token. */
  url: string;
  /** The address of this machine on which it listens, whatever the URL's name leads to. */
  localHost: string;
  /** What HTTPS shows there; null: plain HTTP. */
  certificatePem: string | null;
}

/** `$XDG_DATA_HOME/telebridge`, or `~/.local/share/telebridge`. */
export function defaultDataDir(environment: Readonly<Record<string, string>>): string {
  const { XDG_DATA_HOME, HOME } = environment;
  if (XDG_DATA_HOME) return join(XDG_DATA_HOME, "telebridge");
  if (HOME) return join(HOME, ".local", "share", "telebridge");
  throw new UserError("neither HOME nor XDG_DATA_HOME is set: give --data-dir DIR");
}

/** Makes the directory, for its owner only, when it is missing. Throws {@link UserError}, as {@link checkDataDir}. */
export function makeDataDir(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UserError(`cannot make the data directory ${path}: ${messageOf(error)}`);
  }
  checkDataDir(path);
}

/**
 * Looks at a directory that is there, and writes nothing. Throws {@link UserError} for one in which others could put a
 * token or a key of their own.
 */
export function checkDataDir(path: string): void {
  let link: Deno.FileInfo;
  let found: Deno.FileInfo;
  try {
    link = Deno.lstatSync(path);
    found = Deno.statSync(path);
  } catch (error) {
    throw new UserError(`cannot use the data directory ${path}: ${messageOf(error)}`);
  }
  const elsewhere = "give another one with --data-dir DIR";
  // A link of our own to a larger disk is fine; one of somebody else's could be turned elsewhere later.
  checkOwner(`the data directory ${path}`, link, elsewhere);
  checkOwner(`the data directory ${path}`, found, elsewhere);
  if ((found.mode! & OTHERS_WRITE) !== 0) {
    throw new UserError(
      `others may write to the data directory ${path}; chmod go-w ${path}, or ${elsewhere}`,
    );
  }
}

function checkOwner(what: string, found: Deno.FileInfo, remedy: string): void {
  const uid = Deno.uid();
  if (found.uid === uid) return;
  throw new UserError(`${what} belongs to user ${found.uid}, not to you (${uid}); ${remedy}`);
}

/** Writes a file that only its owner may read, whole or not at all. */
export function writePrivateFile(path: string, text: string): void {
  const temporaryPath = `${path}.${randomHex(ID_BYTES)}.tmp`;
  try {
    Deno.writeTextFileSync(temporaryPath, text, { mode: 0o600, createNew: true });
    Deno.renameSync(temporaryPath, path);
  } catch (error) {
    throw new UserError(`cannot write ${path}: ${messageOf(error)}`);
  }
}

/**
 * The text of a secret; null when there is none. Throws {@link UserError} for one that somebody else owns, or that
 * others may read or change.
 */
export function readPrivateFileIfAny(path: string): string | null {
  const text = readFileIfAny(path);
  if (text === null) return null;
  const found = Deno.statSync(path);
  checkOwner(path, found, "remove it to get a new one");
  if ((found.mode! & OTHERS_ANYTHING) === 0) return text;
  throw new UserError(
    `others may read or change ${path}; remove it to get a new one, or chmod 600 it if nobody did`,
  );
}

/**
 * Of a file that says what is to be run. Throws {@link UserError} for one that others than us, root and our groups can
 * change. Root runs what it was told to, whoever wrote it: in a container all files belong to somebody else.
 */
export function checkNobodyElseWrites(path: string): void {
  const found = Deno.statSync(path);
  const uid = Deno.uid();
  if (uid !== 0 && found.uid !== 0) {
    checkOwner(path, found, "whoever owns it could have us run anything");
  }
  if ((found.mode! & ANYBODY_WRITES) !== 0) {
    throw new UserError(
      `anybody may change ${path}, and so have us run anything; chmod o-w ${path}`,
    );
  }
}

/** The text of a file; null when there is none. */
export function readFileIfAny(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new UserError(`cannot read ${path}: ${messageOf(error)}`);
  }
}

/** The directory's id, eight hexadecimal digits, made at first use. It names the cookie, since cookies ignore ports. */
export function dataDirId(path: string): string {
  const file = join(path, "id");
  const found = readFileIfAny(file)?.trim();
  if (found !== undefined && /^[0-9a-f]{8}$/.test(found)) return found;
  const id = randomHex(ID_BYTES);
  writePrivateFile(file, id + "\n");
  return id;
}

/** Who serves this directory; null when nobody does. A server that was killed leaves its words, but not its lock. */
export async function findServer(path: string): Promise<ServeInfo | null> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(join(path, "lock"));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new UserError(`cannot see whether ${path} is served: ${messageOf(error)}`);
  }
  try {
    // Shared: two that ask at once do not take one another for a server.
    return await file.tryLock(false) ? null : readServeInfo(path);
  } finally {
    file.close();
  }
}

/** Who serves this directory, as last written; it may be gone. */
function readServeInfo(path: string): ServeInfo | null {
  const text = readFileIfAny(join(path, "serve.json"));
  if (text === null) return null;
  try {
    return JSON.parse(text) as ServeInfo;
  } catch {
    return null;
  }
}

/** The unix socket for workers of this machine; null where its path is longer than a socket address takes (unix(7)). */
export function ingestSocketPath(dataDir: string): string | null {
  const path = join(dataDir, "ingest.sock");
  return new TextEncoder().encode(path).byteLength < SOCKET_PATH_BYTES ? path : null;
}

async function openLock(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { create: true, write: true, mode: 0o600 });
  } catch (error) {
    throw new UserError(`cannot write ${path}: ${messageOf(error)}`);
  }
}

/** Holds the directory's lock until disposed; the kernel frees it when the process dies. */
export class DataDirLock implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /** Throws {@link UserError} that names the other server when there is one. */
  static async take(path: string): Promise<DataDirLock> {
    const file = await openLock(join(path, "lock"));
    if (await file.tryLock(true)) return new DataDirLock(path, file);
    file.close();
    const other = readServeInfo(path);
    const who = other === null ? "another process" : `process ${other.pid} at ${other.url}`;
    throw new UserError(
      `the data directory ${path} is served by ${who}; stop it, or give another one with --data-dir DIR`,
    );
  }

  writeInfo(info: ServeInfo): void {
    writePrivateFile(join(this.#path, "serve.json"), JSON.stringify(info) + "\n");
  }

  [Symbol.dispose](): void {
    try {
      Deno.removeSync(join(this.#path, "serve.json"));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    } finally {
      this.#file.close();
    }
  }
}
