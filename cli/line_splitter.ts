/** Lines of a command's output, with a bound on what is kept of each. */

/** A line that may be a record: it may hold a picture of 64 MiB in base64. */
const RECORD_BYTES_MAX = 88 * 1024 * 1024;
/** Any other line. */
const TEXT_BYTES_MAX = 1024 * 1024;
const NEWLINE = 0x0a;
const BRACE = 0x7b;

export interface Line {
  text: string;
  /** Its end is missing: it was longer than the limit. */
  isCut: boolean;
}

export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #parts: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  #isCut = false;

  /** The lines that `chunk` ends. A copy is kept of what begins in it. */
  push(chunk: Uint8Array<ArrayBuffer>): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end));
      lines.push(this.#take());
      start = end + 1;
    }
    if (start < chunk.byteLength) this.#keep(chunk.slice(start));
    return lines;
  }

  /** What stands after the last newline; null for nothing. */
  end(): Line | null {
    return this.#bytes === 0 ? null : this.#take();
  }

  #keep(part: Uint8Array<ArrayBuffer>): void {
    const first = this.#parts[0]?.[0] ?? part[0];
    const room = (first === BRACE ? RECORD_BYTES_MAX : TEXT_BYTES_MAX) - this.#bytes;
    if (part.byteLength > room) this.#isCut = true;
    const kept = part.subarray(0, Math.max(0, room));
    if (kept.byteLength === 0) return;
    this.#parts.push(kept);
    this.#bytes += kept.byteLength;
  }

  #take(): Line {
    const whole = this.#parts.length === 1 ? this.#parts[0]! : new Uint8Array(this.#bytes);
    if (this.#parts.length !== 1) {
      let at = 0;
      for (const part of this.#parts) {
        whole.set(part, at);
        at += part.byteLength;
      }
    }
    const line = { text: this.#decoder.decode(whole), isCut: this.#isCut };
    this.#parts = [];
    this.#bytes = 0;
    this.#isCut = false;
    return line;
  }
}
