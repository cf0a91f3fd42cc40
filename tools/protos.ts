/**
 * Lints the durable lane's protocol and compiles it: TypeScript into proto/gen, and for other languages a descriptor set
 * into dist/telebridge.binpb.
 *
 *     deno run --allow-all tools/protos.ts
 */

import versions from "../deno.json" with { type: "json" };

const GENERATED_DIR = "proto/gen";
const DESCRIPTORS = "dist/telebridge.binpb";

async function buf(...args: string[]): Promise<void> {
  const compiler = versions.imports["@bufbuild/buf"];
  const { success, code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", "--cached-only", compiler, ...args],
    env: { DENO_NO_UPDATE_CHECK: "1" },
  }).spawn().status;
  if (!success) throw new Error(`buf ${args[0]} exits with ${code}`);
}

if (import.meta.main) {
  Deno.chdir(new URL("..", import.meta.url));
  await buf("lint", "proto");
  await Deno.remove(GENERATED_DIR, { recursive: true }).catch(() => {});
  await Deno.mkdir("dist", { recursive: true });
  await buf("generate", "proto", "--template", "proto/buf.gen.yaml");
  await buf("build", "proto", "--output", DESCRIPTORS);
}
