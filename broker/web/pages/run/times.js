/** How long runs and steps have taken, at a moment. Pure; milliseconds in, seconds out. */

import { called, isAhead, moment } from "../../core/format.js";

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
 * Until when a run's steps are worked on: those of a paused run rest.
 *
 * @param {any} state
 * @param {number} at
 */
export function worksUntil(state, at) {
  return state.status === "paused" && state.paused ? moment(state.paused.since) : runsUntil(state, at);
}

/**
 * Seconds that a run has taken; while it waits, how long it has waited. Undefined where unknown:
 * also where it begins later than now by the clock of its producer, which is then ahead.
 *
 * @param {any} state
 * @param {number} at
 */
export function elapsed(state, at) {
  if (state.duration !== undefined) return state.duration;
  return between(moment(state.started_at ?? state.queued_at), runsUntil(state, at));
}

/**
 * Seconds that a step has taken; undefined where it has not begun, or begins later than now.
 *
 * @param {any} step
 * @param {any} state of its run
 * @param {number} at
 */
export function stepTook(step, state, at) {
  if (step.duration !== undefined) return step.duration;
  return between(moment(step.started_at), step.ended_at ? moment(step.ended_at) : worksUntil(state, at));
}

/** @param {number} begun @param {number} until */
function between(begun, until) {
  return Number.isNaN(begun) || isAhead(begun, until) ? undefined : Math.max(0, until - begun) / 1000;
}

/** Whether a step is under way. @param {any} step */
export const isActive = (step) => step.status === "running" || step.status === "retrying";

/** Whether a step is under way, or rests with its run and will go on. @param {any} step */
export const isOpen = (step) => isActive(step) || step.status === "paused";

/** What a step is called. @param {string} id @param {any} step */
export const nameOf = (id, step) => called(step?.name, id);
