/**
 * A box of a test's own: folders for data and sockets, names for runs that no other test has, and everything that was
 * started in it is stopped at its end.
 *
 *     await using box = await TestBox.create();
 */
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export class TestBox implements AsyncDisposable {
  readonly folder: string;
  readonly #stops: (() => Promise<void>)[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<TestBox> {
    const folder = await Deno.makeTempDir({ prefix: "tb-box-" });
    for (const name of ["runtime", "data"]) await Deno.mkdir(`${folder}/${name}`, { mode: 0o700 });
    return new TestBox(folder);
  }

  get dataDir(): string {
    return `${this.folder}/data`;
  }

  /** For every process of the box. */
  get environment(): Record<string, string> {
    return { TELEBRIDGE_RUNTIME_DIR: `${this.folder}/runtime`, NO_COLOR: "1" };
  }

  /** Lets this process be one of the box's, for tests that publish by themselves. */
  enter(): void {
    for (const [name, value] of Object.entries(this.environment)) Deno.env.set(name, value);
  }

  /** A run's id that is used nowhere else on this machine. */
  runId(name: string): string {
    return `${name}-${crypto.randomUUID().slice(0, 8)}`;
  }

  /** `stop` is called at the box's end, the last one registered first. */
  onEnd(stop: () => Promise<void>): void {
    this.#stops.push(stop);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops.reverse()) await stop();
    await Deno.remove(this.folder, { recursive: true });
  }
}
