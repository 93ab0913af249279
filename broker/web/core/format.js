/** Times, sizes and shares as people read them. Pure; `undefined` and nonsense give a dash. */

export const DASH = "–";

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/**
 * Milliseconds since 1970 of an RFC 3339 time; NaN where it is none.
 *
 * @param {string | null | undefined} time
 */
export const moment = (time) => Date.parse(time ?? "");

/**
 * A duration: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`, `4 d 6 h`.
 *
 * @param {number | null | undefined} seconds
 */
export function duration(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return DASH;
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/**
 * How long ago, roughly: `now`, `12 s ago`, `3 min ago`, `2 h ago`, `5 d ago`.
 *
 * @param {number} then milliseconds
 * @param {number} now milliseconds
 */
export function ago(then, now) {
  if (!Number.isFinite(then)) return DASH;
  const s = Math.floor((now - then) / 1000);
  if (s < 2) return "now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86_400)} d ago`;
}

/** The time of day. @param {number} at milliseconds */
export const clock = (at) => (Number.isFinite(at) ? CLOCK.format(at) : DASH);

/** Day and time, for what may be long ago. @param {number} at milliseconds */
export const date = (at) => (Number.isFinite(at) ? DATE.format(at) : DASH);

/** Everything, for a tooltip. @param {number} at milliseconds */
export const full = (at) => (Number.isFinite(at) ? FULL.format(at) : DASH);

/** @param {number | null | undefined} n */
export const number = (n) =>
  n == null || !Number.isFinite(n) ? DASH : Number.isInteger(n) ? WHOLE.format(n) : SHORT.format(n);

/**
 * A share of one as a percentage that never says 100 too early.
 *
 * @param {number | null | undefined} fraction
 */
export function percent(fraction) {
  if (fraction == null || !Number.isFinite(fraction)) return DASH;
  return `${fraction >= 1 ? 100 : Math.max(0, Math.floor(fraction * 100 + 1e-9))} %`;
}

/** @param {number | null | undefined} n */
export function bytes(n) {
  if (n == null || !Number.isFinite(n)) return DASH;
  let value = n;
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (value < 1000) return `${value < 10 && unit !== "B" ? value.toFixed(1) : Math.round(value)} ${unit}`;
    value /= 1000;
  }
  return `${SHORT.format(value)} TB`;
}

/**
 * What stands in a range of seconds to come: `about 3 min`, `2–4 min`.
 *
 * @param {number} from
 * @param {number} to
 */
export function range(from, to) {
  const low = rough(from);
  const high = rough(to);
  if (low === high) return low;
  const [a, unitA] = low.split(" ");
  const [b, unitB] = high.split(" ");
  return unitA === unitB ? `${a}–${b} ${unitB}` : `${low} – ${high}`;
}

/** @param {number} seconds */
function rough(seconds) {
  const s = Math.max(0, seconds);
  if (s < 5) return "5 s";
  if (s < 55) return `${Math.ceil(s / 5) * 5} s`;
  if (s < 3600) return `${Math.max(1, Math.round(s / 60))} min`;
  if (s < 36_000) return `${SHORT.format(s / 3600)} h`;
  return `${Math.round(s / 3600)} h`;
}

/** @param {number} n */
const pad = (n) => String(n).padStart(2, "0");
