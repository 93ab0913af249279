/** How long runs and steps have taken, at a moment. Pure; milliseconds in, seconds out. */

import { called, moment } from "../../core/format.js";

/**
 * When a run's clock stopped, or `at` while it goes on. Of a lost run nothing is known after its
 * last sign of life.
 *
 * @param {any} state
 * @param {number} at milliseconds
 */
export function runsUntil(state, at) {
  if (state.ended_at) return moment(state.ended_at);
  if (state.status === "lost" && state.silence) return moment(state.silence.since);
  return at;
}

/**
 * Seconds that a run has taken; while it waits, how long it has waited. Undefined where unknown.
 *
 * @param {any} state
 * @param {number} at
 */
export function elapsed(state, at) {
  if (state.duration !== undefined) return state.duration;
  const begun = moment(state.started_at ?? state.queued_at);
  return Number.isNaN(begun) ? undefined : Math.max(0, runsUntil(state, at) - begun) / 1000;
}

/**
 * Seconds that a step has taken; undefined where it has not begun.
 *
 * @param {any} step
 * @param {any} state of its run
 * @param {number} at
 */
export function stepTook(step, state, at) {
  if (step.duration !== undefined) return step.duration;
  const begun = moment(step.started_at);
  if (Number.isNaN(begun)) return undefined;
  const until = step.ended_at ? moment(step.ended_at) : runsUntil(state, at);
  return Math.max(0, until - begun) / 1000;
}

/** Whether a step is under way. @param {any} step */
export const isActive = (step) => step.status === "running" || step.status === "retrying";

/** What a step is called. @param {string} id @param {any} step */
export const nameOf = (id, step) => called(step?.name, id);
