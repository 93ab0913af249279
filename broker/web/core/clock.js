/**
 * The gateway's time, as near as it can be told here. It stands still while the connection is lost,
 * since nobody knows then whether what is timed still runs.
 */

import { computed, signal } from "../vendor/preact.js";

/** How far this computer's clock may differ, in milliseconds, before it is corrected. */
const TOLERANCE = 2_000;
/** Milliseconds between two seconds that only a computer has which slept, or was told another time. */
const LEAP = 5_000;

/** How far the gateway's clock is ahead of this one, in milliseconds. */
const offset = signal(0);
const ticked = signal(Date.now());
/** When the connection was lost; null while it stands. */
const stopped = signal(/** @type {number | null} */ (null));

/** Milliseconds since 1970 by the gateway's clock; changes every second. */
export const now = computed(() => (stopped.value ?? ticked.value) + offset.value);

/**
 * Learn the gateway's time from a `Date` header, which is exact to a second. It was written at some
 * moment since the question: an answer that was long on its way says little.
 *
 * @param {string | null} date
 * @param {number} askedAt milliseconds of this computer's clock
 */
export function heardFrom(date, askedAt) {
  const told = Date.parse(date ?? "");
  const least = told - Date.now();
  const most = told + 1_000 - askedAt;
  if (!(least <= most)) return; // it says nothing, or this computer was told another time meanwhile
  const before = offset.peek();
  if (before >= least - TOLERANCE && before <= most + TOLERANCE) return;
  const middle = (least + most) / 2;
  offset.value = Math.abs(middle) > TOLERANCE ? middle : 0;
}

/**
 * Stop the clock at a moment of this computer's time, or let it go on.
 *
 * @param {number | null} at
 */
export function stop(at) {
  stopped.value = at;
  ticked.value = Date.now();
}

/** Milliseconds of this computer's clock, for what concerns only this page. */
export const local = ticked;

/** @type {(() => void)[]} */
const leapt = [];
/** Do something when this computer slept or was told another time. @param {() => void} act */
export const onLeap = (act) => leapt.push(act);

let timer = 0;
const tick = () => {
  const gap = Date.now() - ticked.peek();
  ticked.value = Date.now();
  if (gap < 0 || gap > LEAP) for (const act of leapt) act();
  timer = document.hidden ? 0 : window.setTimeout(tick, 1000 - (Date.now() % 1000));
};
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !timer) tick();
});
tick();
