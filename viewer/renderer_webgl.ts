/**
 * Draws by WebGL 2. A raw payload lies in one texture that stays, updated in place, and is converted by the shader; a
 * decoded picture is handed to the device as it is, and its lease held until the device has read it.
 */

import * as twgl from "twgl.js";
import type { DecodedFrame } from "./decoded_frame.ts";
import { GpuHold } from "./gpu_hold.ts";
import { heatColours } from "./heat_map.ts";
import { chromaStride, pictureBytes } from "./pixels.ts";
import type { OverlaySettings, Renderer } from "./renderer.ts";
import { FORMAT_DECODED, FRAGMENT_SHADER, VERTEX_SHADER } from "./shaders.ts";

/** Texels of four bytes in a row of the payload's texture: any WebGL 2 device has as many (MAX_TEXTURE_SIZE). */
const PAYLOAD_WIDTH = 2048;

/** What lives in the graphics context and is lost with it. */
interface GpuObjects {
  program: twgl.ProgramInfo;
  triangle: twgl.BufferInfo;
  payload: WebGLTexture;
  payloadRows: number;
  decoded: WebGLTexture;
  heat: WebGLTexture;
  heatSize: [width: number, height: number];
  heatColours: WebGLTexture;
}

export class RendererWebGl implements Renderer {
  readonly kind = "webgl";
  readonly #canvas: OffscreenCanvas;
  readonly #gl: WebGL2RenderingContext;
  readonly #hold: GpuHold;
  #objects: GpuObjects;
  readonly #lastWord = new Uint8Array(4);

  /** `onRestored` is called when a lost context is back and the picture must be drawn again. */
  constructor(canvas: OffscreenCanvas, onRestored: () => void) {
    this.#canvas = canvas;
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false });
    if (gl === null) throw new Error("this browser gives no WebGL 2 context to a worker");
    this.#gl = gl;
    this.#hold = new GpuHold(gl);
    this.#objects = createObjects(gl);
    // Without preventDefault the browser never restores the context.
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.#hold.releaseAll();
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.#objects = createObjects(gl);
      onRestored();
    });
  }

  get contextLost(): boolean {
    return this.#gl.isContextLost();
  }

  draw(frame: DecodedFrame, overlay: OverlaySettings): void {
    const gl = this.#gl;
    if (gl.isContextLost()) return;
    const { header, picture } = frame;
    const { width, height } = header;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    const isRaw = picture.kind === "raw";
    if (isRaw) this.#uploadPicture(picture.payload.subarray(0, pictureBytes(header)));
    else this.#uploadDecoded(picture.image);
    const withOverlay = overlay.visible && frame.overlay.byteLength > 0;
    if (withOverlay) this.#uploadOverlay(frame);

    const { program, triangle, heatSize } = this.#objects;
    gl.viewport(0, 0, width, height);
    gl.useProgram(program.program);
    twgl.setBuffersAndAttributes(gl, program, triangle);
    twgl.setUniforms(program, {
      u_payload: this.#objects.payload,
      u_payloadWidth: PAYLOAD_WIDTH,
      u_decoded: this.#objects.decoded,
      u_format: isRaw ? header.format : FORMAT_DECODED,
      u_stride: header.stride,
      u_chromaStride: chromaStride(header),
      u_size: [width, height],
      u_heat: this.#objects.heat,
      u_heatSize: heatSize,
      u_heatColours: this.#objects.heatColours,
      u_heatOpacity: withOverlay ? overlay.opacity : 0,
    });
    twgl.drawBufferInfo(gl, triangle);
    // A raw payload was copied by its upload.
    this.#hold.hold(isRaw ? null : frame.lease);
    // The worker's next task may be far away: hand the commands to the GPU now.
    gl.flush();
  }

  get isBusy(): boolean {
    return this.#hold.isBusy;
  }

  tick(): void {
    this.#hold.poll();
  }

  #uploadDecoded(image: TexImageSource): void {
    const gl = this.#gl;
    gl.bindTexture(gl.TEXTURE_2D, this.#objects.decoded);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, image);
  }

  #uploadPicture(bytes: Uint8Array<ArrayBuffer>): void {
    const gl = this.#gl;
    const rowBytes = PAYLOAD_WIDTH * 4;
    const rows = Math.ceil(bytes.byteLength / rowBytes);
    gl.bindTexture(gl.TEXTURE_2D, this.#objects.payload);
    if (rows > this.#objects.payloadRows) {
      const rowsMax = gl.getParameter(gl.MAX_TEXTURE_SIZE);
      if (rows > rowsMax) {
        throw new Error(
          `a picture of ${bytes.byteLength} bytes is too large for this graphics device, ` +
            `which takes ${rowsMax * rowBytes}; ?renderer=2d draws it`,
        );
      }
      this.#objects.payloadRows = rows;
      gl.texImage2D(
        gl.TEXTURE_2D,
        0,
        gl.RGBA8,
        PAYLOAD_WIDTH,
        rows,
        0,
        gl.RGBA,
        gl.UNSIGNED_BYTE,
        null,
      );
    }
    const wholeRows = Math.floor(bytes.byteLength / rowBytes);
    if (wholeRows > 0) this.#updateTexels(0, 0, PAYLOAD_WIDTH, wholeRows, bytes);
    const begun = bytes.subarray(wholeRows * rowBytes);
    const words = begun.byteLength >> 2;
    if (words > 0) this.#updateTexels(0, wholeRows, words, 1, begun);
    const lastBytes = begun.subarray(words * 4);
    if (lastBytes.byteLength > 0) {
      this.#lastWord.set(lastBytes);
      this.#updateTexels(words, wholeRows, 1, 1, this.#lastWord);
    }
  }

  #updateTexels(
    x: number,
    y: number,
    width: number,
    height: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): void {
    const gl = this.#gl;
    gl.texSubImage2D(gl.TEXTURE_2D, 0, x, y, width, height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
  }

  #uploadOverlay({ header, overlay: cells }: DecodedFrame): void {
    const gl = this.#gl;
    const { overlayWidth, overlayHeight } = header;
    const [width, height] = this.#objects.heatSize;
    gl.bindTexture(gl.TEXTURE_2D, this.#objects.heat);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    if (width !== overlayWidth || height !== overlayHeight) {
      this.#objects.heatSize = [overlayWidth, overlayHeight];
      gl.texImage2D(
        gl.TEXTURE_2D,
        0,
        gl.R8,
        overlayWidth,
        overlayHeight,
        0,
        gl.RED,
        gl.UNSIGNED_BYTE,
        cells,
      );
    } else {
      gl.texSubImage2D(
        gl.TEXTURE_2D,
        0,
        0,
        0,
        overlayWidth,
        overlayHeight,
        gl.RED,
        gl.UNSIGNED_BYTE,
        cells,
      );
    }
  }

  readPixels(): Uint8Array<ArrayBuffer> | null {
    const gl = this.#gl;
    if (gl.isContextLost()) return null;
    const { width, height } = this.#canvas;
    const fromBottom = new Uint8Array(width * height * 4);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, fromBottom);
    const fromTop = new Uint8Array(fromBottom.byteLength);
    for (let row = 0; row < height; row++) {
      const begin = (height - 1 - row) * width * 4;
      fromTop.set(fromBottom.subarray(begin, begin + width * 4), row * width * 4);
    }
    return fromTop;
  }
}

function createObjects(gl: WebGL2RenderingContext): GpuObjects {
  const nearest = { minMag: gl.NEAREST, wrap: gl.CLAMP_TO_EDGE, auto: false };
  return {
    program: twgl.createProgramInfo(gl, [VERTEX_SHADER, FRAGMENT_SHADER]),
    // One triangle that covers the whole canvas.
    triangle: twgl.createBufferInfoFromArrays(gl, {
      position: { numComponents: 2, data: [-1, -1, 3, -1, -1, 3] },
    }),
    payload: twgl.createTexture(gl, { ...nearest, width: PAYLOAD_WIDTH, height: 1 }),
    payloadRows: 1,
    decoded: twgl.createTexture(gl, { ...nearest, width: 1, height: 1 }),
    heat: twgl.createTexture(gl, { ...nearest, width: 1, height: 1, internalFormat: gl.R8 }),
    heatSize: [1, 1],
    heatColours: twgl.createTexture(gl, { ...nearest, width: 256, height: 1, src: heatColours() }),
  };
}
