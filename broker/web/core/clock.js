/**
 * The gateway's time, as near as it can be told here. It stands still while the connection is lost,
 * since nobody knows then whether what is timed still runs.
 */

import { computed, signal } from "../vendor/preact.js";

/** How far this computer's clock may differ, in milliseconds, before it is corrected. */
const TOLERANCE = 2_000;

let offset = 0;
const ticked = signal(Date.now());
/** When the connection was lost; null while it stands. */
const stopped = signal(/** @type {number | null} */ (null));

/** Milliseconds since 1970 by the gateway's clock; changes every second. */
export const now = computed(() => (stopped.value ?? ticked.value) + offset);

/**
 * Learn the gateway's time from a `Date` header, which is exact to a second.
 *
 * @param {string | null} date
 */
export function heardFrom(date) {
  const told = Date.parse(date ?? "");
  if (Number.isNaN(told)) return;
  const difference = told + 500 - Date.now();
  if (Math.abs(difference - offset) > TOLERANCE) {
    offset = Math.abs(difference) > TOLERANCE ? difference : 0;
    ticked.value = Date.now();
  }
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

let timer = 0;
const tick = () => {
  ticked.value = Date.now();
  timer = document.hidden ? 0 : window.setTimeout(tick, 1000 - (Date.now() % 1000));
};
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !timer) tick();
});
tick();
