/** Asks the person at the terminal, on stderr, since stdout is for data. */

export function canAsk(): boolean {
  return Deno.stdin.isTerminal() && Deno.stderr.isTerminal();
}

/** Whether the answer begins with y. */
export async function confirmed(question: string): Promise<boolean> {
  await Deno.stderr.write(new TextEncoder().encode(`${question} [y/N] `));
  const answer = new Uint8Array(64);
  const length = await Deno.stdin.read(answer);
  return /^\s*y/i.test(new TextDecoder().decode(answer.subarray(0, length ?? 0)));
}
