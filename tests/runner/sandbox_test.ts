import assert from "node:assert/strict";
import { Sandbox } from "./sandbox.ts";

async function kinds(sandbox: Sandbox): Promise<string[]> {
  return (await sandbox.leftovers(0)).map(({ kind }) => kind);
}

Deno.test("sandbox: a clean one has nothing left, and hides the caller's settings", async () => {
  Deno.env.set("TELEBRIDGE_PORT", "1");
  const sandbox = await Sandbox.create();
  const room = await sandbox.newRoom();
  Deno.env.delete("TELEBRIDGE_PORT");
  assert.equal(room.TELEBRIDGE_PORT, undefined);
  assert.notEqual((await sandbox.newRoom()).TMPDIR, room.TMPDIR);
  assert.deepEqual(await kinds(sandbox), []);
  await sandbox.remove();
  await assert.rejects(Deno.stat(sandbox.folder), Deno.errors.NotFound);
});

Deno.test("sandbox: a process left behind is seen and ended", async () => {
  const sandbox = await Sandbox.create();
  // setsid: as a browser or a daemon would, it leaves its parent's session.
  const child = new Deno.Command("setsid", {
    args: ["sh", "-c", "echo started; read _"],
    env: await sandbox.newRoom(),
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.stdout.getReader();
  await output.read();
  assert.deepEqual(await kinds(sandbox), ["process"]);
  await sandbox.remove();
  assert.equal((await child.status).signal, "SIGKILL");
  await output.cancel();
  await child.stdin.close();
});

Deno.test("sandbox: a socket left behind is seen, a closed one is not", async () => {
  const sandbox = await Sandbox.create();
  const path = `${(await sandbox.newRoom()).XDG_RUNTIME_DIR}/left.sock`;
  {
    using _listener = Deno.listen({ transport: "unix", path });
    assert.deepEqual(await kinds(sandbox), ["socket"]);
  }
  await Deno.remove(path).catch(() => {});
  assert.deepEqual(await kinds(sandbox), []);
  await sandbox.remove();
});

Deno.test("sandbox: a dead producer's new segment is seen; old and foreign ones are not", async () => {
  const write = (name: string, producerPid: number) => {
    const header = new Uint8Array(64);
    new DataView(header.buffer).setUint32(48, producerPid, true);
    Deno.writeFileSync(`/dev/shm/${name}`, header);
  };
  const own = `mosaic.run.sandbox-${Deno.pid}`;
  const dead = await new Deno.Command("true").spawn();
  await dead.status;
  const names = [`${own}-old.fastlane`, `${own}-foreign.fastlane`, `${own}-dead.fastlane`];
  write(names[0]!, dead.pid);
  const sandbox = await Sandbox.create();
  try {
    write(names[1]!, Deno.pid); // this very process is alive and not in the sandbox
    write(names[2]!, dead.pid);
    const ours = (await sandbox.leftovers(0)).filter(({ description }) =>
      description.includes(own)
    );
    assert.deepEqual(ours, [{ kind: "segment", description: names[2] }]);
  } finally {
    for (const name of names) Deno.removeSync(`/dev/shm/${name}`);
    await sandbox.remove();
  }
});
