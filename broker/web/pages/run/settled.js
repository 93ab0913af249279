/**
 * Steps that are not worked on though they count as running: their run has ended, is lost, or is
 * paused. They must not look as if they went on.
 */

import { useMemo } from "../../vendor/preact.js";
import { ENDED } from "../../parts/status.js";
import { isActive } from "./times.js";

/** What such a step is while its run is so. @type {Record<string, string>} */
const AT_REST = { lost: "lost", paused: "paused" };

/**
 * `settled`, made anew only when the state changes.
 *
 * @param {any} state nothing while it is not known
 */
export function useSettled(state) {
  return useMemo(() => (state ? settled(state) : state), [state]);
}

/**
 * The state with such steps told apart: `unknown` where the run ended without them, `lost` while
 * its producer is silent, `paused` while it rests.
 *
 * @param {any} state
 */
export function settled(state) {
  const status = ENDED.has(state.status) ? "unknown" : AT_REST[state.status];
  if (!status || !state.counts.running) return state;
  const steps = Object.fromEntries(
    Object.entries(state.steps).map(([id, step]) => [id, isActive(step) ? { ...step, status } : step]));
  const { running, ...counts } = state.counts;
  return { ...state, steps, counts: { ...counts, running: 0, [status]: running } };
}
