/** The keeper with real processes: nothing that a command starts outlives it, whoever is killed. */

import assert from "node:assert/strict";
import { FormerAgents } from "../../core/agents/former.ts";
import { ROOT, TestBox } from "../harness/box.ts";
import { FAMILY, FAMILY_SIZE, keeperPath, Kept, shell } from "../harness/kept.ts";
import { LineReader } from "../harness/line_reader.ts";
import { processUsage } from "../harness/process_usage.ts";
import { alive, descendantsOf, parentOf, stateOf } from "../harness/processes.ts";
import { waitFor } from "../harness/wait.ts";

const FAMILY_RUNS = shell(`${FAMILY} wait`);

/** Waits for it with the same bound as for all else. */
async function allEnded(pids: readonly number[]): Promise<void> {
  await waitFor("all processes to end", () => alive(pids).length === 0, () => alive(pids));
}

Deno.test("keeper: what cannot be started says so, with the error's name", async () => {
  const said = async (spec: ConstructorParameters<typeof Kept>[0], path?: string) => {
    await using kept = new Kept(spec, path);
    const { reason, text } = await kept.ended;
    assert.equal(reason, "not-started");
    assert.equal(kept.pid, null);
    return text;
  };
  assert.match(await said({ command: ["no-such-program"] }), /no-such-program: ENOENT \(.*\$PATH/);
  assert.match(await said({ command: ["/no/such"] }), /\/no\/such: ENOENT/);
  assert.match(await said({ command: ["/etc/passwd"] }), /\/etc\/passwd: EACCES/);
  assert.match(await said({ command: ["true"], cwd: "/no/folder" }), /\/no\/folder: ENOENT/);
  assert.match(await said({ command: ["true"] }, "/no/keeper"), /cannot start \/no\/keeper/);
});

Deno.test("keeper: a command has its environment, its folder, a session of its own and nothing of ours", async () => {
  const script = `echo "$WORD"; pwd; cat; ls /proc/self/fd | wc -l
    cut -d ' ' -f 5,6 /proc/$$/stat; echo $$; grep -E 'SigBlk|SigIgn' /proc/$$/status`;
  await using kept = new Kept({ ...shell(script), env: { WORD: "größer" }, cwd: "/usr" });
  assert.equal((await kept.ended).code, 0);
  const [word, folder, descriptors, session, pid, ...signals] = kept.texts();
  // The third is ls's own, of /proc/self/fd.
  assert.deepEqual([word, folder, descriptors], ["größer", "/usr", "4"]);
  assert.equal(session, `${pid} ${pid}`);
  assert.equal(Number(pid), kept.pid);
  // The two beyond 31 are libc's own.
  for (const line of signals) assert.equal(parseInt(line.slice(-8), 16) & 0x7fff_ffff, 0, line);
});

Deno.test("keeper: an end is told as it was", async () => {
  const endOf = async (script: string) => {
    await using kept = new Kept(shell(script));
    return await kept.ended;
  };
  const text = "ended with code 3";
  assert.deepEqual(await endOf("exit 3"), { code: 3, signal: null, reason: "exited", text });
  assert.deepEqual(await endOf("kill -KILL $$"), {
    code: null,
    signal: "SIGKILL",
    reason: "signalled",
    text: "was ended by SIGKILL",
  });
});

Deno.test("keeper: descendants with sessions of their own are ended, too: by stop, kill, and the command's end", async () => {
  const ways: Record<string, (kept: Kept) => void> = {
    stop: (kept) => kept.keeper.stop(),
    kill: (kept) => kept.keeper.kill(),
    "the command's end": (kept) => Deno.kill(kept.pid!, "SIGKILL"),
  };
  for (const [way, end] of Object.entries(ways)) {
    await using kept = new Kept({ ...FAMILY_RUNS, stopGraceMs: 200 });
    const family = await kept.numbers(FAMILY_SIZE);
    assert.equal(alive(family).length, FAMILY_SIZE);
    end(kept);
    await kept.ended;
    assert.deepEqual(alive(family), [], way);
  }
});

Deno.test("keeper: a stop lets the command end by itself, and kills it only after the grace", async () => {
  await using gentle = new Kept(shell("trap 'echo bye; exit 7' TERM; echo 1; sleep 1000 & wait"));
  await gentle.numbers(1);
  gentle.keeper.stop();
  assert.equal((await gentle.ended).code, 7);
  assert.deepEqual(gentle.texts(), ["1", "bye"]);

  await using deaf = new Kept({ ...shell("trap '' TERM; echo 1; sleep 1000"), stopGraceMs: 100 });
  await deaf.numbers(1);
  deaf.keeper.stop();
  assert.match((await deaf.ended).text, /SIGKILL: SIGTERM did not end it/);
});

Deno.test("keeper: a stopped command ends by a stop", async () => {
  await using kept = new Kept(shell("trap 'exit 7' TERM; echo 1; while :; do sleep 0.01; done"));
  await kept.numbers(1);
  Deno.kill(kept.pid!, "SIGSTOP");
  await waitFor("the command to be stopped", () => stateOf(kept.pid!) === "T");
  kept.keeper.stop();
  assert.equal((await kept.ended).code, 7);
});

Deno.test("keeper: nothing goes on when who started it is killed", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "-q", `${ROOT}tests/harness/keeper_child.ts`, ...FAMILY_RUNS.command],
    stdout: "piped",
  }).spawn();
  const lines = new LineReader(child.stdout);
  const family: number[] = [];
  while (family.length < FAMILY_SIZE) family.push(Number(await lines.next("the child")));
  const keeper = parentOf(family.at(-1)!);
  child.kill("SIGKILL");
  await child.status;
  await allEnded([...family, keeper]);
});

Deno.test("keeper: nothing goes on when the keeper itself is killed", async () => {
  await using kept = new Kept(FAMILY_RUNS);
  const family = await kept.numbers(FAMILY_SIZE);
  Deno.kill(parentOf(kept.pid!), "SIGKILL");
  const { reason, text } = await kept.ended;
  assert.deepEqual({ reason, text }, {
    reason: "keeper-lost",
    text: "its keeper was ended by SIGKILL",
  });
  assert.deepEqual(alive(family), []);
});

Deno.test("keeper: what another server has started is waited for as long as a keeper ends it, and by its name alone", async () => {
  await using box = await TestBox.create();
  const env = { TELEBRIDGE_DATA_DIR: box.dataDir, TELEBRIDGE_RUN: "a" };
  await using kept = new Kept({ ...FAMILY_RUNS, env });
  const family = await kept.numbers(FAMILY_SIZE);
  const former = new FormerAgents(box.dataDir, keeperPath);
  const told: number[] = [];
  let isOver = false;
  const over = former.ended("a", (pids) => told.push(...pids)).then(() => isOver = true);
  await former.ended("b", () => assert.fail("it is another's"));
  await new FormerAgents(box.folder, keeperPath).ended("a", () => assert.fail("it is elsewhere"));
  assert(family.every((pid) => told.includes(pid)));
  assert.equal(isOver, false);
  assert.deepEqual(alive(family), family, "they have their keeper's time");
  kept.keeper.kill();
  await over;
  assert.deepEqual(alive(family), []);
});

Deno.test("keeper: a flood is bounded, and what is left out is counted", async () => {
  const written = 100_000;
  await using kept = new Kept(shell(`seq ${written}; seq ${written} >&2`));
  await kept.ended;
  const told = kept.texts().length + kept.texts("stderr").length;
  const leftOut = kept.texts("keeper")
    .map((text) => Number(/^(\d+) lines left out/.exec(text)![1]))
    .reduce((sum, count) => sum + count, 0);
  assert.equal(told + leftOut, 2 * written);
  assert(told < written / 10, `${told} lines were told`);
});

Deno.test("keeper: lines are cut, overwritten ones are not lines, and what is no UTF-8 is replaced", async () => {
  const script = `head -c 100000 /dev/zero | tr '\\0' x; echo
    for i in $(seq 3000); do printf ü; done; echo
    printf '10%%\\r20%%\\r30%%\\r\\n'; printf 'a\\xff\\xc3(\\xed\\xa0\\x80"\\\\\\x01\\n'; printf 'no end'`;
  await using kept = new Kept(shell(script));
  await kept.ended;
  assert.deepEqual(kept.texts(), [
    `${"x".repeat(4096)} … [95904 bytes left out]`,
    `${"ü".repeat(2048)} … [1904 bytes left out]`,
    "30%",
    'a\ufffd\ufffd(\ufffd\ufffd\ufffd"\\\u0001',
    "no end",
  ]);
});

Deno.test("keeper: a command that takes more memory than it may is ended, and shared pages count once", async () => {
  const mebibyte = 1024 * 1024;
  const takes = (mebibytes: number, then: string) =>
    shell(`x=$(head -c ${mebibytes * mebibyte} /dev/zero | tr '\\0' x); ${then}`);
  await using greedy = new Kept({
    ...takes(100, "sleep 1000"),
    memoryMaxBytes: 50 * mebibyte,
  });
  const { reason, text } = await greedy.ended;
  assert.equal(reason, "out-of-memory");
  assert.match(text, /limit of 50 MiB/);
  assert.match(greedy.texts("keeper")[0]!, /^memory is limited by/);

  const forks = "for i in 1 2 3 4; do (while :; do sleep 1; done) & done; wait";
  await using sharing = new Kept({ ...takes(50, forks), memoryMaxBytes: 120 * mebibyte });
  const seen = () => sharing.usages.filter(({ rssBytes }) => rssBytes > 200 * mebibyte).length;
  await waitFor("forks that share their memory", () => seen() >= 2, () => sharing.usages);
});

Deno.test("keeper: usage has all processes, and the time of those that have ended", async () => {
  const spin = "(for ((i = 0; i < 200000; i++)); do :; done)";
  await using kept = new Kept(shell(`${spin}; times; sleep 1000 & sleep 1000`));
  const last = () => kept.usages.at(-1);
  await waitFor("three processes", () => last()?.processes === 3, last);
  const [, ofChildren] = kept.texts(); // as in "0m0.312s 0m0.004s"
  const spunSeconds = Number(/^0m([\d.]+)s/.exec(ofChildren!)![1]);
  assert(
    spunSeconds > 0.02 && last()!.cpuSeconds > spunSeconds - 0.02,
    `${spunSeconds} s of spinning`,
  );
});

Deno.test("keeper: hundreds of restarts leave no zombie and no descriptor", async () => {
  const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const children = () => descendantsOf(Deno.pid).length;
  const restart = async () => {
    await using kept = new Kept(shell("true & true"));
    assert.equal((await kept.ended).code, 0);
  };
  await restart();
  const before = { descriptors: descriptors(), children: children() };
  for (let i = 0; i < 200; i++) await restart();
  assert.deepEqual({ descriptors: descriptors(), children: children() }, before);
});

Deno.test("keeper: ten cost almost nothing, and one that is itself stopped is given up", async () => {
  const kept = Array.from({ length: 10 }, () => new Kept({ command: ["sleep", "1000"] }));
  await waitFor("all to run", () => kept.every(({ pid }) => pid !== null));
  const keepers = kept.map(({ pid }) => parentOf(pid!));
  await using hung = new Kept({ ...FAMILY_RUNS, stopGraceMs: 0 });
  const family = await hung.numbers(FAMILY_SIZE);
  Deno.kill(parentOf(hung.pid!), "SIGSTOP");
  // And one that nobody asks for anything; its like that is well goes on.
  await using silent = new Kept(FAMILY_RUNS, keeperPath, 2_000);
  await using well = new Kept({ command: ["sleep", "1000"] }, keeperPath, 2_000);
  const silentFamily = await silent.numbers(FAMILY_SIZE);
  Deno.kill(parentOf(silent.pid!), "SIGSTOP");
  const startedAtMs = performance.now();
  hung.keeper.stop();
  assert.equal((await hung.ended).reason, "keeper-lost");
  assert.deepEqual(alive(family), []);
  assert.equal((await silent.ended).reason, "keeper-lost");
  assert.deepEqual(alive(silentFamily), []);
  assert.equal(alive([well.pid!]).length, 1);
  const seconds = (performance.now() - startedAtMs) / 1000;
  const usages = await Promise.all(keepers.map((pid) => processUsage(pid)));
  for (const one of kept) await one[Symbol.asyncDispose]();
  const cpuSeconds = usages.reduce((sum, usage) => sum + usage.cpuSeconds, 0);
  const bytesMost = Math.max(...usages.map(({ residentBytes }) => residentBytes));
  console.log(
    `ten keepers: ${(100 * cpuSeconds / seconds).toFixed(2)} % of a core, ${
      bytesMost / 1024
    } KiB resident each`,
  );
  assert(bytesMost < 4 * 1024 * 1024);
  assert(cpuSeconds / seconds < 0.1);
});
