/** Write errors and held fdatasyncs in a real process, by io_faults.c preloaded into it. */

import { ROOT, type TestBox } from "../harness/box.ts";

/** Indices of the words that io_faults.c shares. SYNC faults.words. */
const Word = {
  writesUntilFault: 0,
  faultErrno: 1,
  faultLasts: 2,
  writesSeen: 3,
  writesFailed: 4,
  gateClosed: 5,
  permits: 6,
  syncsBegun: 7,
  syncsReturned: 8,
  syncErrno: 9,
} as const;
const WORD_BYTES = 4;
const CONTROL_BYTES = 64;

export const EIO = 5;
export const ENOSPC = 28;

export class IoFaults {
  /** For the process in which writes shall fail. */
  readonly environment: Record<string, string>;
  readonly #control: Deno.FsFile;

  private constructor(control: Deno.FsFile, environment: Record<string, string>) {
    this.#control = control;
    this.environment = environment;
  }

  /** Compiles the library. `match`: part of the paths of the files that are meant. */
  static async create(box: TestBox, match: string): Promise<IoFaults> {
    const library = `${box.folder}/io_faults.so`;
    const { success } = await new Deno.Command("gcc", {
      args: [
        "-shared",
        "-fPIC",
        "-O1",
        "-D_GNU_SOURCE",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        library,
      ]
        .concat(`${ROOT}tests/torture/io_faults.c`),
    }).spawn().status;
    if (!success) throw new Error("io_faults.c does not compile");
    const path = `${box.folder}/io_faults.control`;
    await Deno.writeFile(path, new Uint8Array(CONTROL_BYTES));
    const control = await Deno.open(path, { read: true, write: true });
    box.onEnd(() => Promise.resolve(control.close()));
    return new IoFaults(control, {
      LD_PRELOAD: library,
      FAULTS_MATCH: match,
      FAULTS_CONTROL: path,
    });
  }

  /** The n-th write from now fails (n from 1); with `lasts` all that follow too, until {@link mend}. */
  failWrite(n: number, errno: number, { lasts = false } = {}): void {
    this.#set(Word.faultErrno, errno);
    this.#set(Word.faultLasts, lasts ? 1 : 0);
    this.#set(Word.writesUntilFault, n);
  }

  /** Writes and fdatasyncs go through again. */
  mend(): void {
    this.#set(Word.writesUntilFault, 0);
    this.#set(Word.syncErrno, 0);
  }

  get writesSeen(): number {
    return this.#get(Word.writesSeen);
  }

  get writesFailed(): number {
    return this.#get(Word.writesFailed);
  }

  failSyncs(errno: number): void {
    this.#set(Word.syncErrno, errno);
  }

  /** From now on each fdatasync waits for a permit. */
  closeGate(): void {
    this.#set(Word.permits, 0);
    this.#set(Word.gateClosed, 1);
  }

  openGate(): void {
    this.#set(Word.gateClosed, 0);
  }

  /** Lets one fdatasync pass. */
  permitSync(): void {
    this.#set(Word.permits, this.#get(Word.permits) + 1);
  }

  get syncsBegun(): number {
    return this.#get(Word.syncsBegun);
  }

  get syncsReturned(): number {
    return this.#get(Word.syncsReturned);
  }

  #get(word: number): number {
    const bytes = new Uint8Array(WORD_BYTES);
    this.#control.seekSync(word * WORD_BYTES, Deno.SeekMode.Start);
    this.#control.readSync(bytes);
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  #set(word: number, value: number): void {
    const bytes = new Uint8Array(WORD_BYTES);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.#control.seekSync(word * WORD_BYTES, Deno.SeekMode.Start);
    this.#control.writeSync(bytes);
  }
}
