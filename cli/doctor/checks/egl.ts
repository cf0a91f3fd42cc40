/** What renders without a display: simulators and agents draw by it. */

import { isSoftware } from "../../../core/agents/machine.ts";
import { messageOf } from "../../../core/errors.ts";
import type { EglDevice } from "../../../ffi/library.ts";
import type { Box, Change, Check } from "../check.ts";
import { findGpus, nvidiaState, renders } from "../gpus.ts";
import { probe } from "../probe.ts";
import { exists, inContainer } from "../text.ts";

const name = "egl";

export const egl: Check = {
  name,
  msMax: 4_000,
  async run(box, signal) {
    let devices: EglDevice[];
    try {
      ({ devices } = await probe("egl", box, signal));
    } catch (error) {
      const change = await changeOf(box, messageOf(error));
      const level = change === null ? "note" : "warn";
      return [{ name, level, text: `no: ${messageOf(error)}`, ...withChange(change) }];
    }
    const facts = { devices };
    const working = devices.filter((device) => device.error === null);
    const hardware = working.filter(({ renderer }) => !isSoftware(renderer!));
    const shown = hardware.length > 0 ? hardware : working;
    const text = [...new Set(shown.map(inWords))].join("; ") || whyNone(devices);
    if (hardware.length > 0) return [{ name, level: "ok", text, facts }];
    const change = await changeOf(box, "");
    const level = change === null ? "note" : "warn";
    return [{ name, level, text, facts, ...withChange(change) }];
  },
};

function withChange(change: Change | null): { change?: Change } {
  return change === null ? {} : { change };
}

function inWords({ egl, api, renderer }: EglDevice): string {
  const by = isSoftware(renderer!) ? " (the CPU)" : "";
  return `EGL ${egl}, ${api} by ${renderer}${by}`;
}

function whyNone(devices: readonly EglDevice[]): string {
  if (devices.length === 0) return "no device to render on";
  return devices.map(({ drm, error }) => `${drm ?? "a device"}: ${error}`).join("; ");
}

/** Only where a GPU is idle by it. */
async function changeOf({ environment }: Box, error: string): Promise<Change | null> {
  const state = await nvidiaState();
  const gpus = (await findGpus()).filter(renders);
  if (state === "none" && gpus.length === 0) return null;
  if (error.includes("libEGL.so.1: cannot open") && await exists("/usr/bin/apt-get")) {
    return {
      why: "there is a GPU and no EGL: simulators cannot render on it without a display",
      command: "sudo apt-get install libegl1",
    };
  }
  const why = "there is a GPU, and EGL renders by the CPU";
  if (await inContainer(environment)) {
    return { why, command: "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all …" };
  }
  return {
    why,
    command: state === "none"
      ? "sudo apt-get install libegl-mesa0 mesa-utils && eglinfo -B"
      : "ls /usr/share/glvnd/egl_vendor.d   # 10_nvidia.json is wanted: libnvidia-egl of the driver",
  };
}
