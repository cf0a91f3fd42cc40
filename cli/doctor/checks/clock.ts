/** The wall clock, and what reading a clock costs: every frame is stamped. */

import type { Check } from "../check.ts";
import { textIfAny } from "../text.ts";

const SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
/** One that the kernel must be asked for costs more than this. */
const READ_NS_MAX = 500;
/** This program is younger. */
const BUILT_AT_MS = Date.UTC(2026, 0);

export const clock: Check = {
  name: "clock",
  async run({ library, nowMs }) {
    const source = await textIfAny(SOURCE) ?? "unknown";
    const found = library?.probeClock() ?? null;
    const facts = { source, ...found };
    if (nowMs < BUILT_AT_MS) {
      return [{
        name: "clock",
        level: "warn",
        text: `it is ${new Date(nowMs).toISOString().slice(0, 10)} here`,
        facts,
        change: {
          why: "a clock so wrong makes certificates that no browser takes",
          command: "sudo timedatectl set-ntp true",
        },
      }];
    }
    const cost = found === null ? "" : `, ${Math.round(found.read_ns)} ns to read`;
    if (found !== null && found.read_ns > READ_NS_MAX) {
      return [{
        name: "clock",
        level: "warn",
        text: `${source}${cost}`,
        facts,
        change: {
          why: "reading the clock is slow, and every frame is stamped",
          command: `echo tsc | sudo tee ${SOURCE}`,
        },
      }];
    }
    const synchronized = found?.synchronized
      ? "set by NTP"
      : "the kernel knows of no NTP that sets it";
    return [{
      name: "clock",
      level: found?.synchronized ? "ok" : "note",
      text: `${source}${cost}; ${synchronized}`,
      facts,
    }];
  },
};
