import type { Command } from "commander";
import assert from "node:assert/strict";
import { locateAssets } from "../../core/assets.ts";
import { bashScript } from "../../cli/completions/bash.ts";
import { fishScript } from "../../cli/completions/fish.ts";
import { commandsOf, grammarOf } from "../../cli/completions/grammar.ts";
import { zshScript } from "../../cli/completions/zsh.ts";
import { programOf } from "../../cli/program.ts";

const program = programOf(() => {});
const grammar = grammarOf(program);

function* all(command: Command): Generator<Command> {
  yield command;
  for (const inner of command.commands) yield* all(inner);
}

Deno.test("completions: every command and option that --help shows is in each shell's script", () => {
  const words = [...commandsOf(grammar)].flatMap(({ name, options }) => [
    name,
    ...options.flatMap(({ names }) => names),
  ]);
  assert(words.includes("doctor") && words.includes("--grpc-port") && words.includes("show"));
  const help = [...all(program)].map((command) => command.helpInformation()).join();
  for (const word of words) assert(help.includes(word), word);
  for (const script of [bashScript(grammar), zshScript(grammar)]) {
    for (const word of words) assert(script.includes(word), word);
  }
  const fish = fishScript(grammar);
  for (const word of words) assert(fish.includes(word.replace(/^--/, "-l ")), word);
});

Deno.test("completions: what is hidden stays so", () => {
  const names = [...commandsOf(grammar)].map(({ name }) => name);
  for (const hidden of ["ingest", "probe", "run-names", "agent-names"]) {
    assert(!names.includes(hidden), hidden);
  }
  const serve = [...commandsOf(grammar)].find(({ name }) => name === "serve")!;
  assert(!serve.options.some(({ names }) => names.includes("--no-demo")));
});

Deno.test("completions: values are known by their names in the help, and by the settings' table", () => {
  const kindOf = (name: string, flag: string) => {
    const command = [...commandsOf(grammar)].find((one) => one.name === name)!;
    return command.options.find(({ names }) => names.includes(flag))!.values;
  };
  assert.deepEqual(kindOf("serve", "--data-dir"), { kind: "folder" });
  assert.deepEqual(kindOf("serve", "--tls-cert"), { kind: "file" });
  assert.deepEqual(kindOf("serve", "--port"), { kind: "any" });
  assert.deepEqual(kindOf("serve", "--tls"), { kind: "any" });
  assert.equal(kindOf("serve", "--demo"), null);
  assert.deepEqual(kindOf("serve", "--lane"), {
    kind: "words",
    words: ["auto", "raw", "h264", "jpeg"],
  });
  assert.deepEqual(kindOf("replay", "--format"), {
    kind: "words",
    words: ["ndjson", "csv", "msgpack"],
  });
});

Deno.test("completions: the agent's options are those that its own --help has", () => {
  const { stdout } = new Deno.Command(locateAssets().agentPath, { args: ["--help"] }).outputSync();
  const told = new TextDecoder().decode(stdout).matchAll(/^ {2}(--[a-z]+)/gm);
  const agent = [...commandsOf(grammar)].find(({ name }) => name === "agent")!;
  const offered = agent.options.flatMap(({ names }) => names);
  assert.deepEqual(offered.toSorted(), [...told].map(([, name]) => name).toSorted());
});
