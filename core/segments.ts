/** The folder where segments appear and go. */

import { getLogger } from "@logtape/logtape";
import { messageOf } from "./errors.ts";
import { guarded } from "./guard.ts";

const SEGMENTS_DIR = "/dev/shm";
const SEGMENT_PATTERN = /^mosaic\.run\.([A-Za-z0-9][A-Za-z0-9._-]{0,63})\.fastlane$/;

const logger = getLogger(["telebridge", "runs"]);

/** All segments that there are now. */
export function* segmentNames(): Generator<string> {
  for (const entry of Deno.readDirSync(SEGMENTS_DIR)) {
    const segment = SEGMENT_PATTERN.exec(entry.name)?.[1];
    if (segment !== undefined) yield segment;
  }
}

/** Tells of segments that appear, change or go, until disposed. */
export type WatchSegments = (onChange: (segment: string) => void) => Disposable;

/**
 * By inotify. The runtime opens and closes every file that it reports, and closing any descriptor of a file frees the
 * process's record locks on it: a process that watches so must not publish runs itself.
 */
export const watchSegments: WatchSegments = (onChange) => {
  let watcher: Deno.FsWatcher;
  try {
    watcher = Deno.watchFs(SEGMENTS_DIR, { recursive: false });
  } catch (error) {
    logger.warn(`cannot watch ${SEGMENTS_DIR}, new runs are found late: ${messageOf(error)}`);
    return { [Symbol.dispose]() {} };
  }
  follow(watcher, onChange).catch((error) => {
    logger.warn(`${SEGMENTS_DIR} is watched no more, new runs are found late: ${messageOf(error)}`);
  });
  return watcher;
};

async function follow(
  watcher: Deno.FsWatcher,
  onChange: (segment: string) => void,
): Promise<void> {
  for await (const event of watcher) {
    if (event.kind === "access") continue;
    for (const path of event.paths) {
      const segment = SEGMENT_PATTERN.exec(path.slice(SEGMENTS_DIR.length + 1))?.[1];
      if (segment !== undefined) guarded(`looking at run ${segment}`, () => onChange(segment));
    }
  }
}
