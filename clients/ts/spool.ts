/**
 * Rows on disk while the server is away: a folder for each stream, `ts-<stream>` in the spool directory.
 *
 *     about.json         whose rows these are, and of which server
 *     rows               records, one after another: what was packed for the network
 *     checkpoint-N.json  a file that waits to be sent, beside its bytes in checkpoint-N.bin
 *     finish.json        how the run ended
 *     owner.json         see spool_owner.ts
 *
 * A record: u32 bytes of rows, u32 CRC-32 of those, f64 given number of the first row, u32 number of rows, u8 kind, u8
 * what it is (0 rows, 1 an offset), u16 0; then the rows. An offset record has no rows: from its first row on the
 * server's number is the given one less its count. All little-endian. A record that was written by half is the last one.
 */

import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { type Kind, KINDS } from "./kinds.ts";
import type { Batch } from "./lane.ts";
import { MESSAGE_BYTES_MAX, SPOOL_BYTES_MAX } from "./limits.ts";
import { adopt, disown, isAbandoned, startHeartbeat, writeOwner } from "./spool_owner.ts";

const HEAD_BYTES = 24;
const ROWS = 0;
const OFFSET = 1;
/** Packed rows of one message, and one text more. */
const RECORD_BYTES_MAX = 4 * MESSAGE_BYTES_MAX;
const FOLDER = /^ts-[0-9a-f]{32}(?:\.[0-9a-f]{8})?$/;

/** What a server has to be told before it takes a stream's rows. */
export interface StreamAbout {
  runId: string;
  /** 32 hexadecimal digits. */
  streamId: string;
  /** ns since 1970, decimal. */
  startTimeUnixNs: string;
  tags: string[];
  metadataJson: string;
  /** See placeKey(): rows go to the server that they were meant for. */
  place: string;
}

interface RecordHead {
  bytes: number;
  crc: number;
  firstSequence: number;
  count: number;
  kind: Kind;
  what: number;
}

function headOf(view: DataView): RecordHead | null {
  const kind = KINDS[view.getUint8(20)];
  const head = {
    bytes: view.getUint32(0, true),
    crc: view.getUint32(4, true),
    firstSequence: view.getFloat64(8, true),
    count: view.getUint32(16, true),
    what: view.getUint8(21),
  };
  const isSane = kind !== undefined && head.bytes <= RECORD_BYTES_MAX &&
    Number.isSafeInteger(head.firstSequence) && head.firstSequence > 0 && head.what <= OFFSET;
  return isSane ? { ...head, kind } : null;
}

function recordOf(head: Omit<RecordHead, "crc" | "bytes">, rows: Uint8Array<ArrayBuffer>) {
  const record = new Uint8Array(HEAD_BYTES + rows.byteLength);
  const view = new DataView(record.buffer);
  view.setUint32(0, rows.byteLength, true);
  view.setUint32(4, crc32(rows), true);
  view.setFloat64(8, head.firstSequence, true);
  view.setUint32(16, head.count, true);
  view.setUint8(20, KINDS.indexOf(head.kind));
  view.setUint8(21, head.what);
  record.set(rows, HEAD_BYTES);
  return record;
}

export function rowRecord(batch: Batch): Uint8Array<ArrayBuffer> {
  return recordOf({ ...batch, what: ROWS }, batch.rows);
}

export class Spool {
  readonly folder: string;
  readonly about: StreamAbout;
  readonly #file: FileHandle;
  readonly #stopHeartbeat: () => void;
  #end: number;
  #readAt = 0;

  private constructor(folder: string, about: StreamAbout, file: FileHandle, end: number) {
    this.folder = folder;
    this.about = about;
    this.#file = file;
    this.#end = end;
    this.#stopHeartbeat = startHeartbeat(folder);
  }

  /** An empty one of this process. */
  static async create(directory: string, about: StreamAbout): Promise<Spool> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const folder = join(directory, `ts-${about.streamId}`);
    const draft = `${folder}.new`;
    await mkdir(draft, { mode: 0o700 });
    await writeFile(join(draft, "about.json"), JSON.stringify(about), { mode: 0o600 });
    await writeOwner(draft);
    await rename(draft, folder);
    return new Spool(folder, about, await open(join(folder, "rows"), "a+", 0o600), 0);
  }

  /** Folders of processes that are gone. */
  static async abandoned(directory: string): Promise<string[]> {
    const names = await readdir(directory).catch(() => []);
    const found: string[] = [];
    for (const name of names.filter((name) => FOLDER.test(name))) {
      const folder = join(directory, name);
      if (await isAbandoned(folder)) found.push(folder);
    }
    return found;
  }

  /** Takes over an abandoned one; null when another was quicker, or when it holds nothing that can be read. */
  static async adopt(folder: string, tag: string): Promise<Spool | null> {
    const ours = await adopt(folder, `${folder.replace(/\.[0-9a-f]{8}$/, "")}.${tag}`);
    if (ours === null) return null;
    try {
      const about: StreamAbout = JSON.parse(await readFile(join(ours, "about.json"), "utf8"));
      const file = await open(join(ours, "rows"), "a+", 0o600);
      return new Spool(ours, about, file, (await file.stat()).size);
    } catch {
      await disown(ours);
      return null;
    }
  }

  /** Everything in it has been read. */
  get drained(): boolean {
    return this.#readAt >= this.#end;
  }

  get bytes(): number {
    return this.#end;
  }

  get hasRoom(): boolean {
    return this.#end < SPOOL_BYTES_MAX;
  }

  /** Throws what the file system says; then nothing of it counts as written. */
  async append(batches: readonly Batch[]): Promise<void> {
    for (const batch of batches) await this.#write(rowRecord(batch));
  }

  /** The server's numbers of this kind are the given ones less `offset`, from `firstSequence` on. */
  appendOffset(kind: Kind, firstSequence: number, offset: number): Promise<void> {
    const head = { kind, firstSequence, count: offset, what: OFFSET };
    return this.#write(recordOf(head, new Uint8Array()));
  }

  async #write(record: Uint8Array<ArrayBuffer>): Promise<void> {
    let written = 0;
    try {
      while (written < record.byteLength) {
        written += (await this.#file.write(record, written)).bytesWritten;
      }
      this.#end += written;
    } catch (error) {
      await this.#file.truncate(this.#end).catch(() => {});
      throw error;
    }
  }

  /** For each kind that is there: the offset that it had last, and its last row. Of an adopted one, before it is read. */
  async survey(): Promise<Map<Kind, { offset: number; last: number }>> {
    const kinds = new Map<Kind, { offset: number; last: number }>();
    for (let at = 0;;) {
      const head = await this.#headAt(at);
      if (head === null) return kinds;
      const { offset, last } = kinds.get(head.kind) ?? { offset: 0, last: 0 };
      if (head.what === OFFSET) {
        kinds.set(head.kind, { offset: head.count, last });
      } else {
        kinds.set(head.kind, { offset, last: head.firstSequence + head.count - 1 });
      }
      at += HEAD_BYTES + head.bytes;
    }
  }

  async #headAt(at: number): Promise<RecordHead | null> {
    const bytes = new Uint8Array(HEAD_BYTES);
    const { bytesRead } = await this.#file.read(bytes, 0, HEAD_BYTES, at);
    if (bytesRead < HEAD_BYTES) return null;
    const head = headOf(new DataView(bytes.buffer));
    return head === null || at + HEAD_BYTES + head.bytes > this.#end ? null : head;
  }

  /** The kind of the next rows, without reading them; null: there are no more. */
  async peek(): Promise<Kind | null> {
    while (!this.drained) {
      const head = await this.#headAt(this.#readAt);
      if (head === null) {
        this.#readAt = this.#end; // the half of a record that its writer died over
      } else if (head.what === OFFSET) {
        this.#readAt += HEAD_BYTES + head.bytes;
      } else {
        return head.kind;
      }
    }
    return null;
  }

  /** The next rows; null: there are no more. Rows that are damaged end the spool. */
  async next(): Promise<Batch | null> {
    if (await this.peek() === null) return null;
    const head = (await this.#headAt(this.#readAt))!;
    const rows = new Uint8Array(head.bytes);
    await this.#file.read(rows, 0, head.bytes, this.#readAt + HEAD_BYTES);
    if (crc32(rows) !== head.crc) {
      this.#readAt = this.#end;
      return null;
    }
    this.#readAt += HEAD_BYTES + head.bytes;
    const { kind, firstSequence, count } = head;
    return { kind, firstSequence, count, rows, onDisk: true, queued: false };
  }

  /** All of its rows were acked: starts anew. */
  async clear(): Promise<void> {
    await this.#file.truncate(0);
    this.#end = 0;
    this.#readAt = 0;
  }

  /** Leaves it to whoever comes next. */
  async release(): Promise<void> {
    this.#stopHeartbeat();
    await this.#file.close();
    await disown(this.folder);
  }

  /** Nothing of it is needed any more. */
  async remove(): Promise<void> {
    this.#stopHeartbeat();
    await this.#file.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** `$TELEBRIDGE_SPOOL_DIR`, else `$XDG_STATE_HOME/telebridge/spool`, else `~/.local/state/telebridge/spool`. */
export function spoolDirectory(environment: Readonly<Record<string, string | undefined>>): string {
  const { TELEBRIDGE_SPOOL_DIR, XDG_STATE_HOME, HOME } = environment;
  if (TELEBRIDGE_SPOOL_DIR) return TELEBRIDGE_SPOOL_DIR;
  if (XDG_STATE_HOME) return join(XDG_STATE_HOME, "telebridge", "spool");
  return join(HOME ?? ".", ".local", "state", "telebridge", "spool");
}
