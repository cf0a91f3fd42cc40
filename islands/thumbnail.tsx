/** A run's newest picture as a small JPEG, fetched anew now and then while the page is seen. The last one is kept. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { BridgeIcon } from "./icons.tsx";

const REFRESH_MS = 2_000;

interface ThumbnailProps {
  runId: string;
  /** There is a picture to fetch. */
  present: boolean;
  /** It changes. */
  moving: boolean;
}

export function Thumbnail({ runId, present, moving }: ThumbnailProps) {
  /** URL of a blob. */
  const source = useSignal<string | null>(null);
  useEffect(() => {
    if (!present) return;
    const refresh = async () => {
      if (document.visibilityState !== "visible") return;
      const jpeg = await fetchThumbnail(runId);
      if (jpeg === null) return;
      if (source.value !== null) URL.revokeObjectURL(source.value);
      source.value = URL.createObjectURL(jpeg);
    };
    refresh();
    if (!moving) return;
    const timer = setInterval(refresh, REFRESH_MS);
    return () => clearInterval(timer);
  }, [present, moving]);
  return (
    <div class="thumbnail">
      <BridgeIcon />
      {source.value !== null && <img src={source.value} alt="" />}
    </div>
  );
}

/** null when there is none now: the run has no frame yet, or the server is away. */
async function fetchThumbnail(runId: string): Promise<Blob | null> {
  try {
    const response = await fetch(`/runs/${encodeURIComponent(runId)}/frame.jpg?quality=70`);
    return response.ok ? await response.blob() : null;
  } catch {
    return null;
  }
}
