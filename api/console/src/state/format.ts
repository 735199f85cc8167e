// How numbers become words. Every number on a screen carries its unit, and
// whatever was measured carries its age; these functions are the only place
// where either is written.

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** A span in milliseconds as people say it, with two units at most: "1 min 20 s". */
export function span(ms: number): string {
  if (!Number.isFinite(ms)) return "an unknown time";
  const sign = ms < 0 ? "−" : "";
  const n = Math.abs(ms);
  if (n < second) return `${sign}${Math.round(n)} ms`;
  if (n < 10 * second && n % second >= 50) return `${sign}${(n / second).toFixed(1)} s`;
  if (n < minute) return `${sign}${Math.floor(n / second)} s`;
  if (n < hour) return sign + pair(n, minute, "min", second, "s");
  if (n < day) return sign + pair(n, hour, "h", minute, "min");
  return sign + pair(n, day, "d", hour, "h");
}

function pair(n: number, big: number, bigUnit: string, small: number, smallUnit: string): string {
  const whole = Math.floor(n / big);
  const rest = Math.floor((n % big) / small);
  return rest === 0 ? `${whole} ${bigUnit}` : `${whole} ${bigUnit} ${rest} ${smallUnit}`;
}

/** A span in whole seconds, for things whose milliseconds say nothing: a TTL, an age. */
export function seconds(s: number): string {
  const whole = Math.round(s);
  return whole === 0 ? "0 s" : span(whole * second);
}

/** How long ago an instant was, for a reader at `now`; both in milliseconds since 1970. */
export function ago(at: number, now: number): string {
  const n = now - at;
  if (!Number.isFinite(n)) return "at an unknown time";
  if (n < -2 * second) return `in ${coarse(-n)}`;
  if (n < 2 * second) return "just now";
  return `${coarse(n)} ago`;
}

/** An age needs no second unit once it is older than a few minutes. */
function coarse(n: number): string {
  if (n < minute) return `${Math.floor(n / second)} s`;
  if (n < 10 * minute) return pair(n, minute, "min", second, "s");
  if (n < hour) return `${Math.floor(n / minute)} min`;
  return span(n);
}

/** The time an override or an approval has left. */
export function left(until: number, now: number): string {
  return until <= now ? "over" : `${coarse(until - now)} left`;
}

/** Bytes in decimal units, as databases and networks count them. */
export function bytes(n: number): string {
  if (!Number.isFinite(n)) return "an unknown amount";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = Math.abs(n);
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${n < 0 ? "−" : ""}${value.toFixed(digits)} ${units[unit]}`;
}

/** A part of one, as a percentage that never rounds something to nothing. */
export function percent(part: number): string {
  if (!Number.isFinite(part)) return "unknown";
  const p = part * 100;
  if (p > 0 && p < 0.1) return "< 0.1 %";
  if (p > 99.9 && p < 100) return "> 99.9 %";
  return `${Number.isInteger(p) || p >= 10 ? Math.round(p) : p.toFixed(1)} %`;
}

/** A count with its noun: "1 node", "3 nodes". */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** Names as a sentence would list them: "a, b and c". */
export function list(names: readonly string[]): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}

/** An instant in milliseconds since 1970, from what the API sends. NaN where there is none. */
export function instant(text: string | null | undefined): number {
  if (!text || text.startsWith("0001-")) return NaN;
  return Date.parse(text);
}

/** The time of day where the reader is, to the second. */
export function timeOfDay(at: number): string {
  if (!Number.isFinite(at)) return "–";
  const d = new Date(at);
  return [d.getHours(), d.getMinutes(), d.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
}

/** Date, time and offset: what a report or a tooltip needs. */
export function fullTime(at: number): string {
  if (!Number.isFinite(at)) return "at an unknown time";
  const d = new Date(at);
  const two = (n: number) => String(n).padStart(2, "0");
  const offset = -d.getTimezoneOffset();
  const zone =
    offset === 0
      ? "UTC"
      : `UTC${offset < 0 ? "−" : "+"}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${timeOfDay(at)} ${zone}`;
}

/** Reads "90s", "10m", "1h30m" as milliseconds; NaN when it is not a duration. */
export function parseSpan(text: string): number {
  const units: Record<string, number> = { ms: 1, s: second, m: minute, min: minute, h: hour, d: day };
  const compact = text.trim().toLowerCase().replaceAll(" ", "");
  if (!/^(\d+(\.\d+)?(ms|min|s|m|h|d))+$/.test(compact)) return NaN;
  let total = 0;
  for (const [, n, unit] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|min|s|m|h|d)/g)) total += Number(n) * units[unit!]!;
  return total;
}

/** A hash short enough to compare by eye. */
export function short(hash: string | null | undefined): string {
  return hash ? hash.replace(/^sha256:/, "").slice(0, 12) : "";
}

/** A bare number whose name says its unit, with that unit: max_lag_bytes 16777216. */
export function withUnit(name: string, value: string): string {
  if (!/^-?\d+(\.\d+)?$/.test(value)) return value;
  if (/(^|_)bytes(_|$)/.test(name)) return bytes(Number(value));
  if (/(^|_)(ms|milliseconds)(_|$)/.test(name)) return span(Number(value));
  if (/(^|_)seconds(_|$)/.test(name)) return span(Number(value) * 1000);
  return value;
}

/** A sentence with its full stop, unless it ends with a mark of its own. */
export function stop(text: string): string {
  return /[.!?…:]$/.test(text) ? text : `${text}.`;
}
