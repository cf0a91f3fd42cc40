/** What a command prints; throws when it fails. */
export async function output(command: string, ...args: string[]): Promise<string> {
  const { success, code, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`${command} ${args.join(" ")}: exit code ${code}\n${decoder.decode(stderr)}`);
  }
  return decoder.decode(stdout);
}
