/** Lines of a child's output, one by one. */

export class LineReader {
  readonly #lines: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#lines = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next line; throws when `who` ends without one. */
  async next(who: string): Promise<string> {
    while (true) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { value, done } = await this.#lines.read();
      if (done) throw new Error(`${who} ended without a line that was waited for`);
      this.#rest += value;
    }
  }
}
