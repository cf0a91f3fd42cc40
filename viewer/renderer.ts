/** What both renderers do, and which of them draws. */

import type { DecodedFrame } from "./decoded_frame.ts";

export type RendererKind = "webgl" | "2d";

export interface OverlaySettings {
  visible: boolean;
  /** 0 (picture alone) to 1 (heat map alone). */
  opacity: number;
}

/** Draws on a canvas whose size becomes the picture's own, so that what it shows is exact; the page scales it. */
export interface Renderer {
  readonly kind: RendererKind;
  /** Draws a frame, and takes a role in its lease if it is read after the call. Throws when it cannot be drawn. */
  draw(frame: DecodedFrame, overlay: OverlaySettings): void;
  /** Lets go of frames that are not read any more; to be called about ten times a second. */
  tick(): void;
  /** The device still works at what was drawn: another picture would queue up behind it, and grow old. */
  readonly isBusy: boolean;
  /** Reads the drawn picture back: RGBA rows from the top. Null while the context is lost. */
  readPixels(): Uint8Array<ArrayBuffer> | null;
  /** True while the graphics context is lost: nothing can be drawn. */
  readonly contextLost: boolean;
}

/** The choice and, for the page, its reason. */
export interface RendererChoice {
  kind: RendererKind;
  /** Name of the WebGL implementation, "" where there is none. */
  device: string;
  reason: "forced" | "hardware" | "software" | "no WebGL";
}

/** Rasterisers on the CPU: there a WebGL draw costs five times a 2D one (docs/architecture.md). */
const SOFTWARE_DEVICES = /swiftshader|llvmpipe|softpipe|software|basic render/i;

export function chooseRenderer(
  forced: RendererKind | null,
  device: string | null,
): RendererChoice {
  if (forced !== null) return { kind: forced, device: device ?? "", reason: "forced" };
  if (device === null) return { kind: "2d", device: "", reason: "no WebGL" };
  if (SOFTWARE_DEVICES.test(device)) return { kind: "2d", device, reason: "software" };
  return { kind: "webgl", device, reason: "hardware" };
}

/** Name of the device behind WebGL 2, null where there is none. Uses a canvas of its own. */
export function probeWebGl(): string | null {
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (gl === null) return null;
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  const device = names === null
    ? gl.getParameter(gl.RENDERER)
    : gl.getParameter(names.UNMASKED_RENDERER_WEBGL);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return String(device);
}
