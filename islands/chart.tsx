/** One series: a title with the value under the cursor, and a plot that exists only while it is in sight. */

import { effect, untracked, useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ChartPlot } from "./chart_plot.ts";
import type { ChartEntry, ChartsModel } from "./charts_model.ts";
import { formatClock, formatCount, formatNumber } from "./format.ts";
import { WidenIcon } from "./icons.tsx";
import { axisFor, plotColumns, type XAxis } from "./plot_columns.ts";
import { theme } from "./theme.ts";

const HEIGHT_PX = 168;
const WIDE_HEIGHT_PX = 300;
/** Charts just below the window are drawn before they are scrolled to. */
const SIGHT_MARGIN = "160px";

interface ChartProps {
  model: ChartsModel;
  entry: ChartEntry;
  /** What stands over it; the series' name without that of its group. */
  title: string;
}

export function Chart({ model, entry, title }: ChartProps) {
  const figure = useRef<HTMLElement>(null);
  const holder = useRef<HTMLDivElement>(null);
  const inSight = useSignal(false);
  const wide = useSignal(false);
  const reading = useSignal<{ x: number; value: number | null } | null>(null);
  /** Over what the points are drawn; changes with the first points of a series without steps. */
  const axis = useComputed<XAxis>(() => {
    entry.version.value;
    const data = model.dataOf(entry);
    return data === null ? model.axis.value : axisFor(data, model.axis.value);
  });

  useEffect(() => {
    const observer = new IntersectionObserver(
      ([seen]) => inSight.value = seen!.isIntersecting,
      { rootMargin: SIGHT_MARGIN },
    );
    observer.observe(figure.current!);
    return () => {
      observer.disconnect();
      model.setVisible(entry, false);
    };
  }, []);

  useEffect(() => {
    model.setVisible(entry, inSight.value);
    if (!inSight.value) return;
    return drawWhileSeen(
      holder.current!,
      { model, entry, axis: axis.value, height: wide.value ? WIDE_HEIGHT_PX : HEIGHT_PX },
      (point) => reading.value = point,
    );
  }, [inSight.value, axis.value, model.logY.value, wide.value]);

  entry.version.value;
  const data = model.dataOf(entry);
  const at = reading.value;
  return (
    <figure
      ref={figure}
      class="chart"
      data-series={entry.name}
      data-points={data?.points ?? 0}
      data-wide={wide.value}
    >
      <figcaption>
        <span class="chart-title" title={entry.name}>{title}</span>
        {at !== null && <span class="chart-at">{nameOf(axis.value, at.x)}</span>}
        <output>{formatNumber(at === null ? entry.lastValue : at.value)}</output>
        <button
          type="button"
          class="icon-button"
          aria-pressed={wide.value}
          aria-label={wide.value ? `Make ${entry.name} small` : `Make ${entry.name} wide`}
          title={wide.value ? "Small" : "Wide"}
          onClick={() => wide.value = !wide.value}
        >
          <WidenIcon />
        </button>
      </figcaption>
      <div
        ref={holder}
        class="chart-plot"
        role="img"
        aria-label={`${entry.name} over ${axis.value}, ${data?.points ?? 0} points`}
      />
      <ChartNote entry={entry} model={model} />
    </figure>
  );
}

function nameOf(axis: XAxis, x: number): string {
  return axis === "step" ? `step ${formatCount(x)}` : formatClock(x * 1000);
}

function ChartNote({ entry, model }: { entry: ChartEntry; model: ChartsModel }) {
  entry.version.value;
  const data = model.dataOf(entry);
  if (entry.error.value !== null && data === null) {
    return <p class="chart-note" role="status">Cannot read it: {entry.error.value}</p>;
  }
  if (data === null) return <p class="chart-note chart-loading">Loading…</p>;
  if (data.points === 0) return <p class="chart-note">No points here</p>;
  if (model.logY.value && !data.value.some((value) => value > 0)) {
    return <p class="chart-note">Nothing above 0: no logarithm</p>;
  }
  return null;
}

interface Drawing {
  model: ChartsModel;
  entry: ChartEntry;
  axis: XAxis;
  height: number;
}

/** Keeps a plot up to date until the function that it returns is called; at most once for each of the display's frames. */
function drawWhileSeen(
  holder: HTMLElement,
  { model, entry, axis, height }: Drawing,
  onCursor: (point: { x: number; value: number | null } | null) => void,
): () => void {
  const logY = model.logY.peek();
  const plot = new ChartPlot(holder, {
    axis,
    logY,
    height,
    width: holder.clientWidth,
    onCursor,
    window() {
      const zoom = model.zoom.peek();
      if (zoom === null) return null;
      if (zoom.axis === axis) return [zoom.min, zoom.max];
      return axis === "time" ? [zoom.range.fromS, zoom.range.toS] : null;
    },
    onSelect: (min, max) => model.zoomTo(entry, axis, min, max),
    onReset: () => model.resetZoom(),
  });
  let frame = 0;
  const draw = () => {
    frame = 0;
    const data = model.dataOf(entry);
    if (data === null) return;
    const smoothing = model.smoothing.peek();
    plot.setColumns(plotColumns(data, { axis, logY, smoothing }), smoothing > 0);
  };
  const stopDrawing = effect(() => {
    entry.version.value;
    model.smoothing.value;
    if (frame === 0) frame = requestAnimationFrame(draw);
  });
  const stopColoring = effect(() => {
    theme.value;
    untracked(() => plot.recolor());
  });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const recolor = () => plot.recolor();
  dark.addEventListener("change", recolor);
  const resized = new ResizeObserver(([size]) =>
    plot.setWidth(Math.floor(size!.contentRect.width))
  );
  resized.observe(holder);
  return () => {
    cancelAnimationFrame(frame);
    stopDrawing();
    stopColoring();
    dark.removeEventListener("change", recolor);
    resized.disconnect();
    onCursor(null);
    plot.destroy();
  };
}
