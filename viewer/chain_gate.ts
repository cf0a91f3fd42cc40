/**
 * Which packets of an H.264 stream may be decoded. One that is no keyframe builds on the packet before it: after a gap
 * all are held off until a keyframe comes, and one is asked for.
 */

import { FRAME_KEYFRAME, type FrameHeader } from "../proto/wire.ts";

/** The server answers four requests a second; a request that is lost with its session is said again. */
const ASK_AGAIN_MS = 500;

export interface ChainGate {
  /** Number of the packet that can be decoded next, beside any keyframe; null: a keyframe must come first. */
  nextPacket: number | null;
  /** A keyframe is missed: one that the server does not send by itself. */
  missed: boolean;
  askedAtMs: number;
}

export function createGate(): ChainGate {
  return { nextPacket: null, missed: false, askedAtMs: -Infinity };
}

/** Whether this packet can be decoded, if all that were let in before it have been. */
export function admitPacket(gate: ChainGate, header: FrameHeader): boolean {
  const isKeyframe = (header.flags & FRAME_KEYFRAME) !== 0;
  if (!isKeyframe && header.packet !== gate.nextPacket) {
    missChain(gate);
    return false;
  }
  gate.nextPacket = header.packet + 1;
  gate.missed = false;
  return true;
}

/** What was decoded so far is of no use to what comes: the decoder failed, or a packet was left out. */
export function missChain(gate: ChainGate): void {
  gate.nextPacket = null;
  gate.missed = true;
}

/** Another stream begins. The server begins it with a keyframe by itself, so none is asked for yet. */
export function restartGate(gate: ChainGate): void {
  gate.nextPacket = null;
  gate.missed = false;
}

/** Whether to ask for a keyframe now; whoever gets true asks. */
export function keyframeIsDue(gate: ChainGate, nowMs: number): boolean {
  if (!gate.missed || nowMs - gate.askedAtMs < ASK_AGAIN_MS) return false;
  gate.askedAtMs = nowMs;
  return true;
}
