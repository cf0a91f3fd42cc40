/** One uPlot: how a chart looks and what a person does to it. It knows nothing of where its points come from. */

import uPlot from "uplot";
import type { PlotColumns, XAxis } from "./plot_columns.ts";

export interface ChartPlotOptions {
  axis: XAxis;
  logY: boolean;
  width: number;
  height: number;
  /** The part of the x axis to show; null: all of it. */
  window(): [min: number, max: number] | null;
  /** The cursor stands on this point of the line; null: it is elsewhere. */
  onCursor(point: { x: number; value: number | null } | null): void;
  onSelect(min: number, max: number): void;
  onReset(): void;
}

/** Narrower is a click that slipped. */
const SELECT_PX_MIN = 5;
const AXIS_FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
/** Columns as uPlot gets them. */
const LOW = 1;
const HIGH = 2;
const LINE = 3;
const DAY_S = 86_400;
/** More have no room on an axis. */
const EXPONENT_DECIMALS_MAX = 3;

export class ChartPlot {
  readonly #plot: uPlot;
  #colors: Record<"accent" | "line" | "muted", string>;
  #smooths = false;

  constructor(holder: HTMLElement, options: ChartPlotOptions) {
    this.#colors = readColors(holder);
    this.#plot = new uPlot(this.#describe(options), [[], [], [], [], []], holder);
  }

  setColumns({ x, low, high, line, smoothed }: PlotColumns, smooths: boolean): void {
    this.#smooths = smooths;
    this.#plot.setData([x, low, high, line, smoothed] as uPlot.AlignedData);
  }

  setWidth(width: number): void {
    if (width > 0 && width !== this.#plot.width) {
      this.#plot.setSize({ width, height: this.#plot.height });
    }
  }

  /** The theme has changed. */
  recolor(): void {
    this.#colors = readColors(this.#plot.root);
    this.#plot.redraw(false, true);
  }

  destroy(): void {
    this.#plot.destroy();
  }

  #describe(options: ChartPlotOptions): uPlot.Options {
    const { axis, logY, width, height } = options;
    const faint = () => `color-mix(in srgb, ${this.#colors.accent} 35%, transparent)`;
    const accent = () => this.#colors.accent;
    const look: uPlot.Axis = {
      stroke: () => this.#colors.muted,
      font: AXIS_FONT,
      grid: { stroke: () => this.#colors.line, width: 1 },
      ticks: { show: false },
    };
    return {
      width,
      height,
      legend: { show: false },
      padding: [8, 12, 0, 0],
      scales: {
        x: { time: false, range: (_plot, min, max) => xRange(options.window(), min, max) },
        y: logY ? { distr: 3 } : {},
      },
      axes: [
        {
          ...look,
          size: 24,
          gap: 4,
          space: 44,
          values: (_plot, splits, _index, _space, increment) => nameSplits(axis, splits, increment),
          ...(axis === "time" ? { incrs: TIME_INCREMENTS_S } : {}),
        },
        {
          ...look,
          size: 52,
          gap: 4,
          space: 32,
          values: (_plot, splits, _index, _space, increment) =>
            splits.map((value) => value === null ? "" : nameValue(value, logY ? null : increment)),
        },
      ],
      series: [
        {},
        { points: { show: false } },
        { points: { show: false } },
        {
          stroke: () => this.#smooths ? faint() : accent(),
          width: 1.25,
          points: { size: 4, stroke: accent, fill: accent },
        },
        { stroke: accent, width: 1.75, points: { show: false } },
      ],
      bands: [{ series: [HIGH, LOW], fill: () => bandOf(this.#colors.accent) }],
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false },
        points: { size: 6, show: true },
        // A drag belongs to the chart in which it is made: the others hear of the part that is shown.
        sync: {
          key: `charts-${axis}`,
          setSeries: false,
          scales: ["x", null],
          filters: { pub: (type) => type === "mousemove" || type === "mouseleave" },
        },
        bind: {
          dblclick: () => () => {
            options.onReset();
            return null;
          },
        },
      },
      hooks: {
        setCursor: [(plot) => options.onCursor(pointAt(plot))],
        setSelect: [(plot) => {
          const { left, width } = plot.select;
          const [min, max] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (width >= SELECT_PX_MIN) options.onSelect(min, max);
        }],
      },
    };
  }
}

function pointAt(plot: uPlot): { x: number; value: number | null } | null {
  const index = plot.cursor.idx;
  const x = index == null ? undefined : plot.data[0][index];
  return x === undefined ? null : { x, value: plot.data[LINE]![index!] ?? null };
}

/** A chart of one point, or of none, has an axis too. */
function xRange(
  window: [number, number] | null,
  min: number | null,
  max: number | null,
): [number, number] {
  if (window !== null) return window;
  if (min === null || max === null) return [0, 1];
  return min === max ? [min - 0.5, max + 0.5] : [min, max];
}

const TIME_INCREMENTS_S = [
  ...[0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60),
  ...[1, 2, 3, 6, 12].map((hours) => hours * 3600),
  ...[1, 2, 7, 30, 90, 365].map((days) => days * DAY_S),
];

/** Steps as counts; times by the browser's time zone, as exact as their distance asks for. */
function nameSplits(axis: XAxis, splits: number[], increment: number): string[] {
  if (axis === "step") return splits.map((step) => Number.isInteger(step) ? shortStep(step) : "");
  return splits.map((timeS) => {
    const at = new Date(timeS * 1000);
    const two = (value: number) => String(value).padStart(2, "0");
    if (increment >= DAY_S) return `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
    if (increment >= 60) return minutes;
    const seconds = `${minutes}:${two(at.getSeconds())}`;
    return increment >= 1 ? seconds : `${seconds}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  });
}

/** All values of an axis with as many decimals as its increment needs; null: each by itself. */
function nameValue(value: number, increment: number | null): string {
  if (increment === null) return formatShort(value);
  const size = Math.max(Math.abs(value), increment);
  if (size >= 1e5 || size < 1e-3) {
    const digits = Math.floor(Math.log10(Math.abs(value))) - Math.floor(Math.log10(increment));
    return value === 0 ? "0" : formatExponent(value, digits);
  }
  const decimals = Math.max(0, -Math.floor(Math.log10(increment) + 1e-9));
  const halves = increment * 10 ** decimals % 1 > 1e-9 ? 1 : 0;
  return value.toFixed(decimals + halves).replace("-", "−");
}

function formatShort(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e4 || size < 1e-3) return formatExponent(value, 1);
  return String(Number(value.toPrecision(3))).replace("-", "−");
}

/** 0.00012 as "1.2e-4": no more decimals than are not 0. */
function formatExponent(value: number, decimals: number): string {
  return value.toExponential(Math.min(EXPONENT_DECIMALS_MAX, Math.max(0, decimals)))
    .replace(/\.?0*e\+?/, "e").replaceAll("-", "−").replace("e−", "e-");
}

/** 1,500 as "1.5k": many of them stand side by side. */
function shortStep(step: number): string {
  if (Math.abs(step) < 10_000) return String(step);
  return step % 1e6 === 0 || Math.abs(step) >= 1e7 ? `${step / 1e6}M` : `${step / 1e3}k`;
}

function bandOf(accent: string): string {
  return `color-mix(in srgb, ${accent} 22%, transparent)`;
}

/** A canvas knows no custom properties and no light-dark(): an element resolves them. */
function readColors(holder: HTMLElement): Record<"accent" | "line" | "muted", string> {
  const probe = holder.appendChild(document.createElement("span"));
  const resolve = (property: string) => {
    probe.style.color = `var(${property})`;
    return getComputedStyle(probe).color;
  };
  const colors = {
    accent: resolve("--accent"),
    line: resolve("--line"),
    muted: resolve("--text-muted"),
  };
  probe.remove();
  return colors;
}
