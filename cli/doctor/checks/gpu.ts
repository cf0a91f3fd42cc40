/** GPUs, NVIDIA's driver, and the encoding sessions that are open now. */

import type { Box, Change, Check, Finding } from "../check.ts";
import { type ChildEnded, runChild } from "../../../core/child.ts";
import { findGpus, type Gpu, nvidiaState, renders } from "../gpus.ts";
import { inBytes, inContainer, MIB, plural } from "../text.ts";

const FIELDS = [
  "name",
  "driver_version",
  "memory.total",
  "memory.used",
  "encoder.stats.sessionCount",
];
const SMI = ["nvidia-smi", `--query-gpu=${FIELDS.join(",")}`, "--format=csv,noheader,nounits"];

interface NvidiaGpu {
  name: string;
  driver: string;
  memory_bytes: number;
  memory_used_bytes: number;
  /** null where the GPU does not tell. */
  nvenc_sessions: number | null;
}

export const gpu: Check = {
  name: "gpu",
  msMax: 4_000,
  async run(box, signal) {
    const [gpus, smi, denied] = await Promise.all([
      findGpus(),
      runChild(SMI, signal),
      deniedNodes(),
    ]);
    const nvidia = smi?.code === 0 ? nvidiaGpus(smi.stdout) : [];
    return [
      await gpuFinding(box, gpus, nvidia),
      ...(nvidia.length === 0 ? [] : [driverFinding(nvidia), sessionsFinding(nvidia)]),
      ...(smi === null || smi.code === 0 ? [] : await brokenDriver(smi, gpus)),
      ...(denied.length === 0 ? [] : [deniedFinding(denied)]),
    ];
  },
};

function nvidiaGpus(table: string): NvidiaGpu[] {
  return table.trim().split("\n").filter((line) => line.includes(",")).map((line) => {
    const [name, driver, total, used, sessions] = line.split(",").map((field) => field.trim());
    return {
      name: name!,
      driver: driver!,
      memory_bytes: Number(total) * MIB,
      memory_used_bytes: Number(used) * MIB,
      nvenc_sessions: /^\d+$/.test(sessions ?? "") ? Number(sessions) : null,
    };
  });
}

/** nvidia-smi is here and fails: of interest where there is a GPU for it. */
async function brokenDriver(smi: ChildEnded, gpus: readonly Gpu[]): Promise<Finding[]> {
  const hasGpu = gpus.some(({ vendor }) => vendor === "NVIDIA") || await nvidiaState() !== "none";
  if (!hasGpu) return [];
  const said = (smi.stdout || smi.stderr).trim().split("\n")[0]!;
  return [{
    name: "driver",
    level: "warn",
    text: said,
    change: {
      why: "NVIDIA's driver does not answer, so neither its encoder nor CUDA can be used",
      command: said.includes("version mismatch")
        ? "sudo reboot   # the kernel still has the driver of before its update"
        : "sudo modprobe nvidia && nvidia-smi",
    },
  }];
}

async function gpuFinding(
  { environment }: Box,
  gpus: readonly Gpu[],
  nvidia: readonly NvidiaGpu[],
): Promise<Finding> {
  const name = "gpu";
  const facts = { pci: gpus, nvidia };
  if (nvidia.length > 0) {
    const [first] = nvidia;
    const used = nvidia.reduce((sum, one) => sum + one.memory_used_bytes, 0);
    const all = nvidia.reduce((sum, one) => sum + one.memory_bytes, 0);
    const count = nvidia.length === 1 ? "" : `${nvidia.length} × `;
    const text = `${count}${first!.name}, ${inBytes(used)} of ${inBytes(all)} used`;
    return { name, level: "ok", text, facts };
  }
  const state = await nvidiaState();
  const useful = gpus.filter(renders);
  if (useful.length === 0 && state === "none") {
    return { name, level: "note", text: "none: the CPU encodes and renders", facts };
  }
  const text = useful.length === 0
    ? "NVIDIA's driver, and no device of it"
    : useful.map(({ vendor, driver }) => `${vendor} (${driver ?? "no driver"})`).join(", ");
  const change = await changeOf(environment, useful, state);
  if (change === null) return { name, level: "ok", text, facts };
  return { name, level: "warn", text, facts, change };
}

async function changeOf(
  environment: Box["environment"],
  gpus: readonly Gpu[],
  state: "none" | "hidden" | "there",
): Promise<Change | null> {
  const isNvidia = state !== "none" || gpus.some(({ vendor }) => vendor === "NVIDIA");
  if (!isNvidia || state === "there") return null;
  if (state === "hidden" || await inContainer(environment)) {
    return {
      why: "this box has an NVIDIA GPU that this container does not see",
      command: "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all …",
    };
  }
  return {
    why: "there is an NVIDIA GPU, and its driver is not loaded",
    command: "sudo apt-get install nvidia-driver && sudo modprobe nvidia",
  };
}

function driverFinding([first]: readonly NvidiaGpu[]): Finding {
  const { driver } = first!;
  return { name: "driver", level: "ok", text: `NVIDIA ${driver}`, facts: { version: driver } };
}

function sessionsFinding(nvidia: readonly NvidiaGpu[]): Finding {
  const counts = nvidia.map((one) => one.nvenc_sessions).filter((count) => count !== null);
  const open = counts.length === 0 ? null : counts.reduce((sum, count) => sum + count, 0);
  const text = open === null ? "the driver does not tell" : `${plural(open, "session")} open now`;
  return { name: "sessions", level: "ok", text: `NVENC: ${text}`, facts: { nvenc_open: open } };
}

/** Nodes to render by that are there, and not for us. */
async function deniedNodes(): Promise<string[]> {
  const denied: string[] = [];
  try {
    for await (const { name } of Deno.readDir("/dev/dri")) {
      if (!name.startsWith("renderD")) continue;
      const path = `/dev/dri/${name}`;
      try {
        (await Deno.open(path, { read: true, write: true })).close();
      } catch (error) {
        if (error instanceof Deno.errors.PermissionDenied) denied.push(path);
      }
    }
  } catch {
    // There is no folder, so no node.
  }
  return denied;
}

function deniedFinding(denied: readonly string[]): Finding {
  return {
    name: "dri",
    level: "warn",
    text: `no access to ${denied.join(", ")}`,
    facts: { denied },
    change: {
      why: "the GPU may not be rendered on by you",
      command: 'sudo usermod -aG render,video "$USER"   # then log in anew',
    },
  };
}
