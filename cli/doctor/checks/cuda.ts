/** CUDA's driver, as encoders and trainers meet it. */

import { messageOf } from "../../../core/errors.ts";
import type { CudaFound } from "../../../ffi/library.ts";
import type { Change, Check } from "../check.ts";
import { probe } from "../probe.ts";
import { inBytes, plural } from "../text.ts";

const name = "cuda";

export const cuda: Check = {
  name,
  msMax: 4_000,
  async run(box, signal) {
    let found: CudaFound;
    try {
      found = await probe("cuda", box, signal);
    } catch (error) {
      const text = messageOf(error);
      if (text.startsWith("libcuda.so.1: cannot open")) {
        return [{ name, level: "note", text: `no: ${text}` }];
      }
      return [{ name, level: "warn", text, change: changeOf(text, box.environment) }];
    }
    const devices = found.devices.map((device) =>
      `${device.name}, ${inBytes(device.memory_bytes)}, compute ${device.compute_capability}`
    );
    const distinct = [...new Set(devices)].join("; ");
    const text = `${found.cuda}, ${plural(devices.length, "device")}: ${distinct}`;
    return [{ name, level: "ok", text, facts: { ...found } }];
  },
};

function changeOf(text: string, environment: Readonly<Record<string, string>>): Change {
  const visible = environment.CUDA_VISIBLE_DEVICES;
  if (visible !== undefined && text.includes("NO_DEVICE")) {
    return {
      why: `CUDA_VISIBLE_DEVICES=${visible} hides every GPU`,
      command: "unset CUDA_VISIBLE_DEVICES",
    };
  }
  return {
    why: "CUDA's library is here, and does not start",
    command: "sudo modprobe nvidia-uvm && nvidia-smi",
  };
}
