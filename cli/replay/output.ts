/** Standard output, written in large pieces as fast as it is read and no faster. */

const PIECE_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** Nobody reads any more, as behind `| head`. */
export class OutputClosed extends Error {
  override name = "OutputClosed";
}

/** Takes texts or bytes, one of them for good. */
export class Output {
  #text = "";
  #pieces: Uint8Array[] = [];
  #piecesBytes = 0;

  /** Resolves when there is room for more. Throws {@link OutputClosed}. */
  write(rows: string | Uint8Array<ArrayBuffer>): Promise<void> | void {
    if (typeof rows === "string") this.#text += rows;
    else {
      this.#pieces.push(rows);
      this.#piecesBytes += rows.length;
    }
    if (this.#text.length + this.#piecesBytes >= PIECE_BYTES) return this.flush();
  }

  async flush(): Promise<void> {
    const text = encoder.encode(this.#text);
    const pieces = [text, ...this.#pieces];
    const bytes = new Uint8Array(text.length + this.#piecesBytes);
    let offset = 0;
    for (const piece of pieces) {
      bytes.set(piece, offset);
      offset += piece.length;
    }
    this.#text = "";
    this.#pieces = [];
    this.#piecesBytes = 0;
    await writeAll(bytes);
  }
}

async function writeAll(bytes: Uint8Array): Promise<void> {
  let written = 0;
  try {
    while (written < bytes.length) written += await Deno.stdout.write(bytes.subarray(written));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosed();
    throw error;
  }
}
