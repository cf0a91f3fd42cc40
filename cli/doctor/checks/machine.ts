/** Kernel, processors and memory. */

import type { Check } from "../check.ts";
import { inBytes, inContainer, plural } from "../text.ts";

export const machine: Check = {
  name: "kernel",
  async run({ environment }) {
    const { total } = Deno.systemMemoryInfo();
    const container = await inContainer(environment);
    const cpus = navigator.hardwareConcurrency;
    const facts = {
      release: Deno.osRelease(),
      arch: Deno.build.arch,
      cpus,
      memory_bytes: total,
      container,
    };
    return [{
      name: "kernel",
      level: "ok",
      text: `Linux ${facts.release} on ${facts.arch}, ${plural(cpus, "CPU")}, ${
        inBytes(total)
      } of memory${container ? ", in a container" : ""}`,
      facts,
    }];
  },
};
