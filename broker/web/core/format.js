/** Times, sizes and shares as people read them. Pure; `undefined` and nonsense give a dash. */

import { units } from "../text/units.js";

const { second, minute, hour, day } = units;

export const DASH = "–";

/** Milliseconds from which on a clock counts as ahead: the gateway's is known here to three seconds. */
const AHEAD = 5_000;

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
  if (s < 9.95) return `${s.toFixed(1)} ${second}`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} ${second}`;
  if (whole < 3600) return `${Math.floor(whole / 60)} ${minute} ${pad(whole % 60)} ${second}`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} ${hour} ${pad(minutes % 60)} ${minute}`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} ${day} ${hours % 24} ${hour}`;
}

/**
 * How long ago, roughly: `now`, `12 s ago`, `3 min ago`, `2 h ago`, `5 d ago`; and `in 5 min` of
 * what a clock that is ahead says.
 *
 * @param {number} then milliseconds
 * @param {number} now milliseconds
 */
export function ago(then, now) {
  if (!Number.isFinite(then)) return DASH;
  if (isAhead(then, now)) return units.ahead(coarse(Math.floor((then - now) / 1000)));
  const s = Math.floor((now - then) / 1000);
  return s < 2 ? units.now : units.ago(coarse(s));
}

/**
 * Whether a time that has been is still to come by this clock: by more than sound clocks differ.
 *
 * @param {number} then milliseconds
 * @param {number} now milliseconds
 */
export const isAhead = (then, now) => then - now >= AHEAD;

/** A duration by its largest unit. @param {number} s whole seconds */
function coarse(s) {
  if (s < 60) return `${s} ${second}`;
  if (s < 3600) return `${Math.floor(s / 60)} ${minute}`;
  if (s < 86_400) return `${Math.floor(s / 3600)} ${hour}`;
  return `${Math.floor(s / 86_400)} ${day}`;
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
  return `${fraction >= 1 ? 100 : Math.max(0, Math.floor(fraction * 100 + 1e-9))} ${units.percent}`;
}

/** @param {number | null | undefined} n */
export function bytes(n) {
  if (n == null || !Number.isFinite(n)) return DASH;
  let value = n;
  let size = 0;
  for (; value >= 1000 && size < units.bytes.length - 1; size++) value /= 1000;
  const most = size === units.bytes.length - 1;
  return `${most ? SHORT.format(value) : value < 10 && size ? value.toFixed(1) : Math.round(value)} ${units.bytes[size]}`;
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
  if (s < 55) return `${Math.max(1, Math.ceil(s / 5)) * 5} ${second}`;
  if (s < 3600) return `${Math.max(1, Math.round(s / 60))} ${minute}`;
  return `${s < 36_000 ? SHORT.format(s / 3600) : Math.round(s / 3600)} ${hour}`;
}

/** Something that is seen: no space, and no sign that only steers others. */
const SEEN = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}]/u;

/**
 * What something is called: its name where one is seen, else its id, of which no sign stays unseen.
 *
 * @param {string | null | undefined} name
 * @param {string} id
 */
export function called(name, id) {
  if (name && SEEN.test(name)) return name;
  return SEEN.test(id) ? id : encodeURIComponent(id);
}

/** @param {number} n */
const pad = (n) => String(n).padStart(2, "0");
