/** A run's newest picture as a small JPEG, fetched anew now and then while the page is seen. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { BridgeIcon } from "./icons.tsx";

const REFRESH_MS = 2_000;

interface ThumbnailProps {
  runId: string;
  /** The picture changes. */
  moving: boolean;
  /** There is a picture at all. */
  present: boolean;
}

export function Thumbnail({ runId, moving, present }: ThumbnailProps) {
  const fetched = useSignal(0);
  const failed = useSignal(false);
  useEffect(() => {
    if (!moving) return;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") fetched.value++;
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [moving]);
  const source = `/runs/${encodeURIComponent(runId)}/frame.jpg?n=${fetched.value}`;
  return (
    <div class="thumbnail">
      <BridgeIcon />
      {present && (
        <img
          src={source}
          alt=""
          loading="lazy"
          hidden={failed.value}
          onLoad={() => failed.value = false}
          onError={() => failed.value = true}
        />
      )}
    </div>
  );
}
