/** The C benchmarks (bench/native): publishing against memcpy, waking a reader against a bare datagram, iceoryx. */

import type { Bench } from "./report.ts";

export const nativeBench: Bench = {
  name: "native",
  title: "The ring in C",
  run() {
    return Promise.resolve([]);
  },
};
