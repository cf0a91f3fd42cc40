/** As `serve`: starts the command of its arguments under a keeper, and prints what that prints. Killed by its test. */

import { Kept } from "./kept.ts";

const kept = new Kept({ command: Deno.args, stopGraceMs: 200 });
let printed = 0;
setInterval(() => {
  for (const text of kept.texts().slice(printed)) console.log(text);
  printed = kept.texts().length;
}, 20);
