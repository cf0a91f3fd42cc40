/** Which GPUs are here, and what they encode: by the probes of `telebridge doctor`. */

import { getLogger } from "@logtape/logtape";
import type { EglDevice, EncoderFound } from "../../ffi/library.ts";
import { askProbe } from "../driver_probe.ts";
import type { EncoderChoice } from "../encoders.ts";
import { messageOf } from "../errors.ts";

export interface Gpu {
  /** As the agent's `--gpu` counts them: among EGL's devices. */
  index: number;
  /** "NVIDIA L4" */
  name: string;
  hasNvenc: boolean;
}

export interface Machine {
  /** Those that render; the CPU is none. */
  gpus: readonly Gpu[];
  /** NVENC sessions that all GPUs together allow at once; null = no limit is known. */
  nvencSessionsMax: number | null;
  /** What encodes where NVENC does not. */
  cpuEncoder: EncoderChoice;
}

/** Drivers that need longer hang. */
const PROBE_MS_MAX = 10_000;
/** Without any of these there is no GPU, and nobody needs to be asked. */
const GPU_NODES = ["/dev/nvidiactl", "/dev/dri"];
const SOFTWARE = /llvmpipe|softpipe|swrast|swiftshader/i;
/**
 * NVIDIA's GPUs for data centres that have no NVENC (NVIDIA, Video Encode and Decode GPU Support Matrix). The encoder's
 * probe opens a session on the first GPU alone.
 */
const WITHOUT_NVENC = /\b(A30|A100|A800|H\d{2,3}|GH200|B\d{3}|GB\d{3})\b/;
/** In one system with GeForce GPUs, from driver 551 on, says the same matrix. Where it is another, agents notice. */
const GEFORCE_SESSIONS_MAX = 8;

const logger = getLogger(["telebridge", "agents"]);

/** Whether a renderer of this name is the processor. */
export function isSoftware(renderer: string): boolean {
  return SOFTWARE.test(renderer);
}

export function machineOf(
  devices: readonly EglDevice[],
  encoders: readonly EncoderFound[],
): Machine {
  const works = (name: string) => encoders.some((row) => row.name === name && row.usable);
  const gpus = devices.flatMap(({ error, renderer }, index) => {
    if (error !== null || isSoftware(renderer!)) return [];
    // "NVIDIA L4/PCIe/SSE2"
    const name = renderer!.split("/")[0]!;
    const hasNvenc = name.startsWith("NVIDIA") && !WITHOUT_NVENC.test(name) && works("nvenc");
    return [{ index, name, hasNvenc }];
  });
  return {
    gpus,
    nvencSessionsMax: gpus.some(({ name }) => name.includes("GeForce"))
      ? GEFORCE_SESSIONS_MAX
      : null,
    cpuEncoder: works("x264") ? "x264" : "openh264",
  };
}

/** `program` is this one. Where drivers cannot be asked, agents take what they find. */
export async function findMachine(program: readonly string[]): Promise<Machine> {
  const hasNode = GPU_NODES.some((path) => {
    try {
      Deno.lstatSync(path);
      return true;
    } catch {
      return false;
    }
  });
  if (!hasNode) return machineOf([], []);
  const signal = AbortSignal.timeout(PROBE_MS_MAX);
  try {
    const [{ devices }, encoders] = await Promise.all([
      askProbe<{ devices: EglDevice[] }>("egl", program, signal),
      askProbe<EncoderFound[]>("encoders", program, signal),
    ]);
    return machineOf(devices, encoders);
  } catch (error) {
    logger.warn`agents are not placed, since the GPUs cannot be asked: ${messageOf(error)}`;
    return machineOf([], []);
  }
}
