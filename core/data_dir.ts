/** The data directory: one server owns it at a time. */

import { join } from "node:path";
import { messageOf, UserError } from "./errors.ts";
import { randomHex } from "./random.ts";

const ID_BYTES = 4;

/** What the owner of a data directory tells about itself, in `serve.json`. */
export interface ServeInfo {
  pid: number;
  /** Without the token. */
  url: string;
}

/** `$XDG_DATA_HOME/telebridge`, or `~/.local/share/telebridge`. */
export function defaultDataDir(environment: Readonly<Record<string, string>>): string {
  const { XDG_DATA_HOME, HOME } = environment;
  if (XDG_DATA_HOME) return join(XDG_DATA_HOME, "telebridge");
  if (HOME) return join(HOME, ".local", "share", "telebridge");
  throw new UserError("neither HOME nor XDG_DATA_HOME is set: give --data-dir DIR");
}

/** Makes the directory, for its owner only, when it is missing. */
export function makeDataDir(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UserError(`cannot make the data directory ${path}: ${messageOf(error)}`);
  }
}

/** Writes a file that only its owner may read, whole or not at all. */
export function writePrivateFile(path: string, text: string): void {
  const temporaryPath = `${path}.${randomHex(ID_BYTES)}.tmp`;
  Deno.writeTextFileSync(temporaryPath, text, { mode: 0o600, createNew: true });
  Deno.renameSync(temporaryPath, path);
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

/** Who serves this directory, as last written; it may be gone. */
export function readServeInfo(path: string): ServeInfo | null {
  const text = readFileIfAny(join(path, "serve.json"));
  if (text === null) return null;
  try {
    return JSON.parse(text) as ServeInfo;
  } catch {
    return null;
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
    const file = await Deno.open(join(path, "lock"), { create: true, write: true, mode: 0o600 });
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
