/** Every check of the doctor's. A new one is a file and a row here. */

import type { Check } from "./check.ts";
import { certificate } from "./checks/certificate.ts";
import { clock } from "./checks/clock.ts";
import { cuda } from "./checks/cuda.ts";
import { dataDirectory, disk } from "./checks/disk.ts";
import { egl } from "./checks/egl.ts";
import { encoders } from "./checks/encoders.ts";
import { gpu } from "./checks/gpu.ts";
import { limits } from "./checks/limits.ts";
import { machine } from "./checks/machine.ts";
import { ffmpeg, gstreamer, pipewire, xvfb } from "./checks/media.ts";
import { ports } from "./checks/ports.ts";
import { python } from "./checks/python.ts";
import { server } from "./checks/server.ts";
import { sharedMemory } from "./checks/shared_memory.ts";
import { sockets } from "./checks/sockets.ts";

/** In the order of the report; what serve needs most comes early, for the first changes are the ones that are named. */
export const CHECKS: readonly Check[] = [
  machine,
  limits,
  clock,
  sharedMemory,
  sockets,
  dataDirectory,
  disk,
  server,
  ports,
  certificate,
  gpu,
  cuda,
  egl,
  encoders,
  pipewire,
  ffmpeg,
  gstreamer,
  xvfb,
  python,
];
