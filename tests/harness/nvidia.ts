/** A double of NVIDIA's driver (tests/native/nvenc_double), for what no GPU is there for. */

import assert from "node:assert/strict";
import { ROOT } from "./box.ts";

/**
 * The environment in which a process finds it. `gpus` as NVENC_DOUBLE_GPUS has them, `fail` as NVENC_DOUBLE_FAIL: "CALL N
 * STATUS".
 */
export async function nvidiaDouble(gpus: string, fail?: string): Promise<Record<string, string>> {
  const folder = "build/nvenc_double";
  const { code, stderr } = await new Deno.Command("make", {
    args: ["--silent", "-C", `${ROOT}native`, `${folder}/libnvidia-encode.so.1`],
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return {
    LD_LIBRARY_PATH: `${ROOT}native/${folder}`,
    NVENC_DOUBLE_GPUS: gpus,
    ...(fail === undefined ? {} : { NVENC_DOUBLE_FAIL: fail }),
  };
}
