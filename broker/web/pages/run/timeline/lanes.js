/** The lanes of the timeline, and what of a lane was when. Pure; times in milliseconds. */

import { moment } from "../../../core/format.js";
import { matches } from "../steps/rows.js";
import { isActive, runsUntil } from "../times.js";

/** @typedef {"all" | "begun" | "active" | "failed"} Show */
/** @typedef {{kind: "run" | "step", key: string, id: string, step: any, depth: number, open: boolean | undefined}} Lane */
/**
 * @typedef {object} Segment a time in which a lane was the same
 * @property {number} from
 * @property {number} to
 * @property {"waiting" | "try" | "work" | "paused"} kind `try`: an attempt of a step that failed and was repeated
 * @property {number} [number] of the attempt, where a step has several
 */

/** @type {Record<Show, (step: any) => boolean>} */
const SHOWN = {
  all: () => true,
  begun: (step) => step.status !== "pending",
  active: isActive,
  failed: (step) => step.status === "failed" || step.status === "retrying" || step.attempt > 1,
};

/**
 * The run's own lane, then those of its steps, parts below what they are parts of.
 *
 * @param {any} state
 * @param {import("../family.js").Family} family
 * @param {{words: string, show: Show, folded: ReadonlySet<string>, title: string}} how
 * @returns {Lane[]}
 */
export function lanesOf(state, family, { words, show, folded, title }) {
  const { steps } = state;
  const found = matches(steps, family, words);
  /** @type {Lane[]} */
  const lanes = [{ kind: "run", key: "run", id: title, step: state, depth: 0, open: undefined }];
  /** @type {{id: string, depth: number}[]} */
  const stack = [...family.roots].reverse().map((id) => ({ id, depth: 0 }));
  while (stack.length) {
    const { id, depth } = /** @type {{id: string, depth: number}} */ (stack.pop());
    if (found && !found.has(id)) continue;
    const parts = family.children.get(id);
    const open = parts && !folded.has(id);
    if (parts || SHOWN[show](steps[id])) lanes.push({ kind: "step", key: `step ${id}`, id, step: steps[id], depth, open });
    if (open) for (let at = parts.length - 1; at >= 0; at--) stack.push({ id: parts[at], depth: depth + 1 });
  }
  return lanes;
}

/**
 * @param {Lane} lane
 * @param {any} state
 * @param {number} end to when the timeline goes
 * @param {import("./tries.js").Tries | undefined} tries of this step
 * @returns {Segment[]}
 */
export function segmentsOf(lane, state, end, tries) {
  return lane.kind === "run" ? ofRun(state, end) : ofStep(lane.step, state, end, tries);
}

/** @param {any} state @param {number} end @returns {Segment[]} */
function ofRun(state, end) {
  const queued = moment(state.queued_at);
  const started = moment(state.started_at);
  const until = runsUntil(state, end);
  /** @type {Segment[]} */
  const segments = [];
  if (queued < (started || until)) segments.push({ from: queued, to: started || until, kind: "waiting" });
  if (Number.isNaN(started)) return segments;
  const paused = state.paused ? moment(state.paused.since) : until;
  segments.push({ from: started, to: Math.max(started, paused), kind: "work" });
  if (paused < until) segments.push({ from: paused, to: until, kind: "paused" });
  return segments;
}

/**
 * @param {any} step
 * @param {any} state
 * @param {number} end
 * @param {import("./tries.js").Tries | undefined} tries
 * @returns {Segment[]}
 */
function ofStep(step, state, end, tries) {
  const started = moment(step.started_at);
  const until = step.ended_at ? moment(step.ended_at) : runsUntil(state, end);
  const ready = readyAt(step, state);
  /** @type {Segment[]} */
  const segments = [];
  const begun = Number.isNaN(started) ? (step.status === "pending" ? until : NaN) : started;
  if (ready < begun) segments.push({ from: ready, to: begun, kind: "waiting" });
  if (Number.isNaN(started)) return segments;
  let free = started;
  for (const [at, { from, to }] of (tries?.earlier ?? []).entries()) {
    if (from > free) segments.push({ from: free, to: from, kind: "waiting" });
    segments.push({ from, to: Math.max(from, to), kind: "try", number: at + 1 });
    free = Math.max(free, to);
  }
  const last = tries?.earlier.length ? tries.begun : started;
  if (last === undefined) segments.push({ from: free, to: Math.max(free, until), kind: "waiting" });
  else {
    if (last > free && tries?.earlier.length) segments.push({ from: free, to: last, kind: "waiting" });
    segments.push({ from: last, to: Math.max(last, until), kind: "work", number: step.attempt > 1 ? step.attempt : undefined });
  }
  return segments;
}

/**
 * When a step could have begun: all that it waits for had ended. NaN where that is not so, or
 * nobody knows, because the step says of no other that it waits for it.
 *
 * @param {any} step
 * @param {any} state
 */
function readyAt(step, state) {
  if (!step.after?.length) return NaN;
  let ready = 0;
  for (const id of step.after) {
    if (!Object.hasOwn(state.steps, id)) continue;
    ready = Math.max(ready, moment(state.steps[id].ended_at));
  }
  return ready;
}

/** What was parsed of steps before; one that has changed is another object. @type {WeakMap<object, {from: number, to: number}>} */
const spans = new WeakMap();

/** @param {any} step */
function spanOf(step) {
  let span = spans.get(step);
  if (!span) spans.set(step, (span = { from: moment(step.started_at), to: moment(step.ended_at) }));
  return span;
}

/**
 * From when to when the timeline goes.
 *
 * @param {any} state
 * @param {number} now
 * @returns {{start: number, end: number}} `start` is NaN while nothing has begun
 */
export function extentOf(state, now) {
  let start = Math.min(...[state.queued_at, state.started_at].map(moment).filter(Number.isFinite));
  let end = runsUntil(state, now);
  for (const id in state.steps) {
    const { from, to } = spanOf(state.steps[id]);
    if (from < start) start = from;
    if (to > end) end = to;
  }
  return { start: Number.isFinite(start) ? start : NaN, end: Math.max(end, start + 1) };
}
