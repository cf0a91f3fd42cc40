/** The TypeScript client behind the suite's line protocol (../driver.ts). */

import { init, type Run } from "../../../clients/ts/mod.ts";

// deno-lint-ignore no-explicit-any -- whatever the suite says
type Command = any;

let run: Run;

/** JSON has no NaN and no infinities; they come as texts. */
function number(value: number | string): number {
  return Number(value);
}

const commands: Record<string, (command: Command) => unknown> = {
  init: ({ run: id, tags, params }) => {
    run = init({ run: id, tags, params });
  },
  log: ({ values, step }) => {
    const entries = Object.entries(values as Record<string, number | string>);
    run.log(Object.fromEntries(entries.map(([name, value]) => [name, number(value)])), { step });
  },
  step: ({ reward, ...fields }) => run.step({ ...fields, reward: number(reward) }),
  episode: (fields) => run.episode(fields),
  params: ({ values }) => run.params(values),
  text: ({ tag, text, step, level }) => run.text(tag, text, { step, level }),
  histogram: ({ series, edges, counts, step }) =>
    run.histogram(series, { edges, counts }, { step }),
  checkpoint: ({ path, name, step, metadata }) => run.checkpoint(path, { name, step, metadata }),
  /** Steps and samples `from` to `to`, as fast as it goes. */
  burst: ({ from, to }) => {
    for (let step = from; step < to; step++) {
      run.step({ step, reward: step / 2 });
      run.log({ "burst/value": step }, { step });
    }
  },
  flush: ({ timeoutMs, synced }) => run.flush({ timeoutMs, synced }),
  finish: async ({ failed }) => {
    await run.finish(failed === undefined ? {} : { state: "failed", reason: failed });
  },
  dropped: () => run.stats.dropped,
  /** Commands that answer with what they were given, or fail with it. */
  answer: ({ name, fails }) =>
    run.onCommand(name, (args) => {
      if (fails) throw new RangeError(String(args));
      return { given: args };
    }),
  /** A moment of the training's loop. */
  turn: () => new Promise((resolve) => setTimeout(resolve, 5)),
};

let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const command: Command = JSON.parse(line);
    const { do: name, ...fields } = command;
    let answer: unknown;
    try {
      answer = { result: await commands[name]!(fields) ?? null };
    } catch (error) {
      answer = { error: `${(error as Error).name}: ${(error as Error).message}` };
    }
    console.log(JSON.stringify(answer));
  }
}
Deno.exit();
