import assert from "node:assert/strict";
import { databasePath, openStore } from "../../core/storage/open.ts";
import { writeConfig } from "../harness/agents.ts";
import { TestBox } from "../harness/box.ts";
import { DENO_ARGS, shell, telebridge } from "../harness/command.ts";
import { StoredRun } from "../harness/stored_runs.ts";

/** Some runs, and an agent. */
function fill(box: TestBox): void {
  writeConfig(box, "[agents.robot]\n");
  using store = openStore(databasePath(box.dataDir));
  for (const name of ["cartpole-1", "cartpole-2", "walker"]) new StoredRun(store, name);
}

function has(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Line and what one press of Tab offers; the last word is completed. */
const CASES: readonly [line: string, offered: string[]][] = [
  ["telebridge do", ["doctor"]],
  ["telebridge runs de", ["delete"]],
  ["telebridge runs delete --y", ["--yes"]],
  ["telebridge serve --enc", ["--encoder"]],
  ["telebridge serve --encoder ", ["auto", "nvenc", "openh264", "x264"]],
  ["telebridge --version serve --port 1 --lane j", ["jpeg"]],
  ["telebridge replay --format m", ["msgpack"]],
  ["telebridge replay cart", ["cartpole-1", "cartpole-2"]],
  ["telebridge runs tag w", ["walker"]],
  ["telebridge agents stop ro", ["robot"]],
  ["telebridge completions fi", ["fish"]],
  ["telebridge ing", []],
];

Deno.test("completions: bash offers what the program has, and the stored runs", async () => {
  await using box = await TestBox.create();
  fill(box);
  const tries = CASES.map(([line]) => {
    const words = line.split(" ").map((word) => `'${word}'`);
    return `COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}
      _telebridge; printf '%s\\n' "\${COMPREPLY[*]}"`;
  });
  const ended = await shell(box, `source <(telebridge completions bash)\n${tries.join("\n")}`);
  assert.equal(ended.stderr, "");
  const offered = ended.stdout.split("\n").slice(0, CASES.length);
  assert.deepEqual(
    offered.map((line) => line.split(" ").filter(Boolean).toSorted()),
    CASES.map((
      [, words],
    ) => words),
  );
});

Deno.test("completions: bash knows --option=value, and what follows --", async () => {
  await using box = await TestBox.create();
  const ended = await shell(
    box,
    `source <(telebridge completions bash)
     COMP_WORDS=(telebridge serve --encoder = nv); COMP_CWORD=4; _telebridge; echo "\${COMPREPLY[*]}"
     COMP_WORDS=(telebridge run x -- bas); COMP_CWORD=4; _telebridge; echo "\${COMPREPLY[*]}"`,
  );
  const [value, commands] = ended.stdout.split("\n");
  assert.equal(value, "nvenc");
  assert(commands!.split(" ").includes("bash"));
});

Deno.test({
  name: "completions: fish offers the same",
  ignore: !has("fish"),
  async fn() {
    await using box = await TestBox.create();
    fill(box);
    const few = CASES.slice(3, 9); // each takes fish a while
    const script = [
      `function telebridge; '${Deno.execPath()}' ${DENO_ARGS.join(" ")} $argv; end`,
      "telebridge completions fish | source",
      ...few.map(([line]) => `echo (complete -C '${line}' | string split -f1 \\t)`),
    ];
    const output = await new Deno.Command("fish", {
      args: ["--no-config", "-c", script.join("\n")],
      env: { ...box.environment, TELEBRIDGE_DATA_DIR: box.dataDir, HOME: box.folder },
    }).output();
    const lines = new TextDecoder().decode(output.stdout).split("\n").slice(0, few.length);
    assert.deepEqual(
      lines.map((line) => line.split(" ").filter(Boolean).toSorted()),
      few.map(([, words]) => words),
    );
  },
});

/** Tab, pressed on a real line editor: zsh completes nowhere else. What it adds to the line is waited for. */
const ZSH = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1= TERM=dumb; autoload -Uz compinit; compinit -u -D'
zpty -w z "telebridge() { $TELEBRIDGE \\"\\$@\\" }; source <(telebridge completions zsh); print REA''DY"
zpty -r z seen '*READY*'
press() { zpty -w -n z "$1"; zpty -r z seen "*$2*" && print -r -- "$1"; }
press $'telebridge doc\\t' 'tor '
press $'\\x15telebridge serve --encoder=nv\\t' 'enc '
press $'\\x15telebridge replay wa\\t' 'lker '
zpty -d z
`;

Deno.test({
  name: "completions: zsh completes commands, values and runs",
  ignore: !has("zsh"),
  async fn() {
    await using box = await TestBox.create();
    fill(box);
    const output = await new Deno.Command("zsh", {
      args: ["-f", "-c", ZSH],
      env: {
        ...box.environment,
        TELEBRIDGE_DATA_DIR: box.dataDir,
        TELEBRIDGE: `'${Deno.execPath()}' ${DENO_ARGS.join(" ")}`,
      },
    }).output();
    const tried = new TextDecoder().decode(output.stdout).trimEnd().split("\n");
    assert.equal(tried.length, 3, tried.join());
  },
});

Deno.test("completions: another shell is refused with those that there are", async () => {
  await using box = await TestBox.create();
  const ended = await telebridge(box, "completions", "tcsh");
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /bash, zsh, fish/);
  const none = await telebridge(box, "run-names");
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, "", ""]);
});
