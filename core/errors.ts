/** A failure that the person who started the program can repair. Its message is shown without a stack. */
export class UserError extends Error {
  override name = "UserError";
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
