/** Files that may not be there. */

/** Removes a file, or with `recursive` a folder, where there is one. */
export function removeIfAny(path: string, options?: Deno.RemoveOptions): void {
  try {
    Deno.removeSync(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
