/** Numbers and times as the page shows them: short, of steady width, the same in every language. */

const counts = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const DASH = "–";

/** 12,345 */
export function formatCount(value: number | null | undefined): string {
  return value === null || value === undefined ? DASH : counts.format(value);
}

/** Four significant digits, no exponent between 0.0001 and 1,000,000. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return minus(value.toExponential(2));
  if (Number.isInteger(value)) return minus(counts.format(value));
  const decimals = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4;
  return minus(value.toFixed(decimals));
}

/** 3.14 ms under 10 ms, 31.4 under 100, 314 from there. */
export function formatMs(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH;
  const size = Math.abs(value);
  const text = value.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0);
  return text === "-0.00" ? "0.00" : minus(text);
}

export function formatRate(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  return value < 10 ? value.toFixed(1) : counts.format(value);
}

/** "850 kbit/s", "4.2 Mbit/s". */
export function formatBitrate(kbps: number): string {
  return kbps < 1_000 ? `${Math.round(kbps)} kbit/s` : `${(kbps / 1_000).toFixed(1)} Mbit/s`;
}

/** "60 Hz", "59.94 Hz". */
export function formatHz(hz: number): string {
  return `${Number(hz.toFixed(2))} Hz`;
}

/** "12 s", "3 min", "5 h", "2 d". */
export function formatAge(ageMs: number): string {
  const seconds = Math.max(0, Math.floor(ageMs / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** "0:07", "12:34", "5:03:09": how long something took or takes. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  if (hours === 0) return `${minutes}:${two(seconds % 60)}`;
  return `${hours}:${two(minutes)}:${two(seconds % 60)}`;
}

/** "999", "12.3 k", "4.56 M". */
export function formatShortCount(value: number): string {
  if (value < 1_000) return String(value);
  const [divisor, unit] = value < 1e6 ? [1e3, "k"] : value < 1e9 ? [1e6, "M"] : [1e9, "G"];
  return `${Number((value / divisor).toPrecision(3))} ${unit}`;
}

/** "812 B", "1.5 KiB", "3.2 GiB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

/** "2026-11-21 14:03" by the browser's time zone. */
export function formatDate(timeMs: number): string {
  const at = new Date(timeMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** "14:03:05.120" by the browser's time zone. */
export function formatClock(timeMs: number): string {
  const at = new Date(timeMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  return `${clock}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** A server's message as a sentence: "the worker died" becomes "The worker died." */
export function formatSentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

function minus(text: string): string {
  return text.replaceAll("-", "−");
}
