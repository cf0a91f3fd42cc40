/** GPUs as the kernel lists them, whatever drives them (sysfs). */

import { basename } from "node:path";
import { exists, namesIn, textIfAny } from "./text.ts";

const PCI = "/sys/bus/pci/devices";
/** A display controller's class: its first byte (PCI Code and ID Assignment). */
const DISPLAY_CLASS = "0x03";
const VENDORS: Readonly<Record<string, string>> = {
  "0x10de": "NVIDIA",
  "0x1002": "AMD",
  "0x8086": "Intel",
  "0x1af4": "virtio",
  "0x15ad": "VMware",
  "0x1234": "QEMU",
};
/** Those that render; the others are a virtual machine's screen. */
const RENDERING = ["NVIDIA", "AMD", "Intel"];

export interface Gpu {
  /** "0000:01:00.0" */
  address: string;
  vendor: string;
  /** Of the kernel; null where none has taken it. */
  driver: string | null;
}

export async function findGpus(): Promise<Gpu[]> {
  const gpus: Gpu[] = [];
  for (const address of await namesIn(PCI)) {
    const folder = `${PCI}/${address}`;
    if (!(await textIfAny(`${folder}/class`))?.startsWith(DISPLAY_CLASS)) continue;
    const vendor = await textIfAny(`${folder}/vendor`) ?? "";
    gpus.push({
      address,
      vendor: VENDORS[vendor] ?? `vendor ${vendor}`,
      driver: basename(await Deno.readLink(`${folder}/driver`).catch(() => "")) || null,
    });
  }
  return gpus;
}

export function renders(gpu: Gpu): boolean {
  return RENDERING.includes(gpu.vendor);
}

/** Whether NVIDIA's kernel driver is loaded, and this process may see one of its devices. */
export async function nvidiaState(): Promise<"none" | "hidden" | "there"> {
  if (await exists("/dev/nvidiactl")) return "there";
  return await exists("/proc/driver/nvidia/version") ? "hidden" : "none";
}
